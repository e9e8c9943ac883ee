//! The command line: what can be asked for, with the words that teach it.

use crate::commands::{cost, demo, deploy, doctor, env, invoke, key, list, logs, remove, serve, simulate, why};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A serverless platform in one binary: deploy code, and it runs when it is called.
#[derive(Parser, Debug)]
#[command(name = "lacewing", version, max_term_width = 96, arg_required_else_help = true, after_help = AFTER)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print data as JSON; errors too (on stderr).
    #[arg(long, global = true)]
    pub json: bool,
}

const AFTER: &str = "\
First steps:
  lacewing demo                                  three functions, start to bill, in seconds
  lacewing serve &                               the server, on http://127.0.0.1:9000
  lacewing deploy app.py --name hello            runtime and handler are guessed
  lacewing invoke hello --payload '{\"name\":\"you\"}'
  lacewing logs hello -f
  eval \"$(lacewing env)\"; aws lambda list-functions    any AWS SDK or tool works too

Exit codes: 0 done; 1 the function failed or the server refused; 2 the command line is wrong;
3 no server answers.";

/// The commands.
#[derive(Subcommand, Debug)]
#[allow(missing_docs)]
pub enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Deploy(deploy::Deploy),
    Invoke(invoke::Invoke),
    Logs(logs::Logs),
    Ls(list::List),
    Rm(remove::Remove),
    Cost(cost::Cost),
    Key(key::Key),
    Why(why::Why),
    Env(env::Env),
    Doctor(doctor::Doctor),
    Simulate(simulate::Simulate),
}

/// Which server to talk to, and as whom.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which server")]
pub struct Connection {
    /// The server's address, such as http://127.0.0.1:9000
    /// [default: $AWS_ENDPOINT_URL_LAMBDA, $AWS_ENDPOINT_URL, else the server of the data dir].
    #[arg(long, value_name = "URL")]
    pub endpoint: Option<String>,
    /// The region that functions are looked for in [default: $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1].
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub data: DataDir,
}

/// Where a server on this machine keeps its state.
#[derive(Args, Clone, Debug, Default)]
pub struct DataDir {
    /// Where the server keeps its state, and its root key [default: /var/lib/lacewing as root, else
    /// $XDG_DATA_HOME/lacewing].
    #[arg(long, value_name = "DIR", env = "LACEWING_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
