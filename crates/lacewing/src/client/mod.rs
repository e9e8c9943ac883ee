//! A client of the public API: what the commands are made of. Signing is `aws-sigv4`'s, so that the server's own
//! verification is checked from outside by every command.

mod connection;
mod error;
mod iam;
mod keys;
mod lambda;
mod logs;
mod platform;
pub mod target;

pub use connection::{Client, Reply};
pub use error::ApiFailure;
pub use iam::IamReply;
pub use lambda::{DeployedCode, FunctionFields, FunctionState, Invocation, encoded};
pub use logs::LogEvent;
pub use platform::Host;
