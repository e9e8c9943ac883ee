//! How the runtime process of a function is started: its command, its environment, and the ends of its pipes.

use crate::control::Control;
use crate::endpoints;
use crate::extensions;
use crate::logs::Pipes;
use crate::net::ServiceUrls;
use crate::protocol::{Order, Who};
use lacewing_model::{ImageCode, Language, Version};
use lacewing_runtime_api::{launch, waiting};
use lacewing_sandbox::{Missed, Preparation, StartSpec};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

/// How the runtime is started in a sandbox, each time.
pub(crate) struct Launch {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// True: it gets a stream to the door and a pipe for log frames.
    pub(crate) own_door: bool,
    /// Where it begins.
    pub(crate) directory: String,
    /// False: there is no bootstrap to execute.
    pub(crate) possible: bool,
    /// True: the program is the user's wrapper around a managed runtime.
    pub(crate) wrapped: bool,
    /// The programs that are started before it, by name.
    pub(crate) extensions: Vec<String>,
}

/// The server's ends of what a runtime process was given.
pub(crate) struct Streams {
    pub(crate) pipes: Pipes,
    pub(crate) door: Option<UnixStream>,
}

impl Launch {
    /// The command and environment for a function.
    pub(crate) fn of(spec: &StartSpec, services: Option<&ServiceUrls>) -> Self {
        let language = spec.version.config.runtime.language();
        let own_door = spec.version.config.web().is_none() && launch::command(language).needs_own_door;
        let mut argv = launch::argv(language, spec.version.config.memory);
        let mut directory = "/var/task".to_owned();
        let wrapper = spec.environment.iter().find(|(key, _)| key == "AWS_LAMBDA_EXEC_WRAPPER");
        let (mut possible, mut wrapped) = (true, false);
        let web = spec.version.config.web();
        match wrapper {
            // An image's own entry point would have to honour the wrapper, as on Lambda.
            _ if language == Language::Image && web.is_none() => {
                let image = spec.version.config.image.as_ref();
                argv = image.map(ImageCode::argv).unwrap_or_default();
                directory = image.map_or("/", ImageCode::working_directory).to_owned();
                possible = !argv.is_empty();
            }
            // The shell, because that is what writes such a line.
            _ if web.is_some() => {
                let command = web.map(|web| web.command.to_owned()).unwrap_or_default();
                argv = ["/bin/sh", "-c"].map(str::to_owned).into_iter().chain([command]).collect();
                directory =
                    spec.version.config.image.as_ref().map_or(directory, |image| image.working_directory().to_owned());
            }
            Some((_, wrapper)) if language != Language::Provided && !wrapper.is_empty() => {
                argv.insert(0, wrapper.clone());
                wrapped = true;
            }
            _ if language == Language::Provided && !is_executable(&spec.code_dir.join("bootstrap")) => {
                // A layer may hold the runtime.
                possible = spec.layers_dir.as_ref().is_some_and(|layers| is_executable(&layers.join("bootstrap")));
                argv = vec!["/opt/bootstrap".to_owned()];
            }
            _ => {}
        }
        let mut env = spec.environment.clone();
        let door = crate::net::DOOR_ADDRESS;
        let mut set = |key: &str, value: String| {
            env.retain(|(known, _)| known != key);
            env.push((key.to_owned(), value));
        };
        if web.is_none() {
            set("AWS_LAMBDA_RUNTIME_API", door.to_string());
        }
        if !endpoints::are_found_at_home(language, &spec.environment) {
            for (name, url) in endpoints::variables(services) {
                if !spec.environment.iter().any(|(own, _)| own == name) {
                    set(name, url);
                }
            }
        }
        if own_door {
            set("LACEWING_DOOR_FD", "3".to_owned());
            set("_LAMBDA_TELEMETRY_LOG_FD", "4".to_owned());
        }
        let opt = match language {
            // What it has in the place of layers. A link would be followed on the host: it has none then.
            Language::Image => Some(spec.code_dir.join("opt")).filter(|opt| !opt.is_symlink()),
            _ => spec.layers_dir.clone(),
        };
        let layers = opt.as_deref().filter(|_| web.is_none());
        let extensions = layers.map(extensions::programs).unwrap_or_default();
        Self { argv, env, directory, own_door, possible, wrapped, extensions }
    }

    /// The same for a runtime that waits for its function; `None` where there is none to boot.
    pub(crate) fn waiting(kind: Preparation) -> Option<Self> {
        let memory = kind.memory.unwrap_or_default();
        let argv = launch::argv(kind.language, memory);
        let waits = !matches!(kind.language, Language::Provided | Language::Image);
        let env = waiting::environment();
        let directory = "/var/task".to_owned();
        waits.then(|| Self {
            argv,
            env,
            directory,
            own_door: true,
            possible: true,
            wrapped: false,
            extensions: Vec::new(),
        })
    }

    /// True where a sandbox's root is an image.
    pub(crate) fn is_of_image(version: &Version) -> bool {
        version.config.runtime.language() == Language::Image
    }

    /// True where a zygote can fork a runtime that waits.
    pub(crate) fn can_be_forked(language: Language) -> bool {
        matches!(language, Language::Python(_))
    }

    /// Why a runtime that was booted before cannot serve this function.
    pub(crate) fn needs_fresh_interpreter(&self, language: Language) -> Option<Missed> {
        if self.wrapped {
            return Some(Missed::Wrapper);
        }
        waiting::needs_fresh_interpreter(language, &self.env).map(|name| Missed::Environment(name.to_owned()))
    }

    /// Has init start the runtime.
    ///
    /// # Errors
    /// Pipes cannot be made, or init is gone.
    pub(crate) async fn exec(&self, control: &Control) -> io::Result<Streams> {
        let (out, out_inside) = pipe()?;
        let (err, err_inside) = pipe()?;
        let mut inside = vec![out_inside, err_inside];
        let (mut frames, mut door) = (None, None);
        if self.own_door {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let (read, write) = pipe()?;
            inside.extend([theirs.into(), write]);
            (frames, door) = (Some(read), Some(UnixStream::from_std(ours)?));
        }
        let argv = self.argv.iter().map(|part| part.clone().into_bytes()).collect();
        let env = self.env.iter().map(|(key, value)| format!("{key}={value}").into_bytes()).collect();
        let fds: Vec<BorrowedFd<'_>> = inside.iter().map(AsFd::as_fd).collect();
        control
            .order(&Order::Exec { who: Who::RUNTIME, directory: self.directory.clone().into_bytes(), argv, env }, &fds)
            .await?;
        Ok(Streams { pipes: Pipes { out, err, frames }, door })
    }
}

impl Streams {
    /// Those of a runtime that was forked: output, errors, door, log frames.
    ///
    /// # Errors
    /// The door cannot be watched.
    pub(crate) fn take([out, err, door, frames]: [OwnedFd; 4]) -> io::Result<Self> {
        let door = std::os::unix::net::UnixStream::from(door);
        door.set_nonblocking(true)?;
        Ok(Self { pipes: Pipes { out, err, frames: Some(frames) }, door: Some(UnixStream::from_std(door)?) })
    }

    /// Resolves when the runtime has first said something; nothing of it is read.
    ///
    /// # Errors
    /// The runtime is gone, or there is no stream to it.
    pub(crate) async fn first_sign(&self) -> io::Result<()> {
        let ready = self.door()?.ready(Interest::READABLE).await?;
        if ready.is_read_closed() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Tells a restored runtime which of its variables have changed.
    ///
    /// # Errors
    /// The runtime is gone.
    pub(crate) async fn change(&mut self, changes: &[(String, String)]) -> io::Result<()> {
        self.door_mut()?.write_all(&waiting::assignment(changes)).await
    }

    /// Tells a waiting runtime what its environment is. It applies it, and waits on.
    ///
    /// # Errors
    /// The runtime is gone.
    pub(crate) async fn assign(&mut self, launch: &Launch) -> io::Result<()> {
        self.door_mut()?.write_all(&waiting::assignment(&launch.env)).await
    }

    /// Tells it that its code is there.
    ///
    /// # Errors
    /// The runtime is gone.
    pub(crate) async fn go(&mut self) -> io::Result<()> {
        self.door_mut()?.write_all(waiting::GO).await
    }

    fn door(&self) -> io::Result<&UnixStream> {
        self.door.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn door_mut(&mut self) -> io::Result<&mut UnixStream> {
        self.door.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// A pipe: what we read from, and what the function writes to.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Judged on the host, where the same file lies; following links as the sandbox would is left to exec.
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.symlink_metadata()
        .is_ok_and(|about| about.is_symlink() || (about.is_file() && about.permissions().mode() & 0o111 != 0))
}
