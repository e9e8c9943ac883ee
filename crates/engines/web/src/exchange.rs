//! One request and its answer.

use crate::line::Line;
use crate::watched::Lost;
use crate::{Dial, Server};
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use lacewing_sandbox::{AnswerSink, Upgraded, WebRequest};
use std::future::Future;
use std::io;

/// How an exchange ended.
#[derive(Debug)]
pub enum Exchanged {
    /// The answer was passed on whole.
    Whole,
    /// The client went away, or did not send the rest of its request; the server was hung up on.
    ClientGone,
    /// There was no answer, or no whole one.
    Failed(NoAnswer),
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The server takes no connection.
    #[error("the server takes no connection: {0}")]
    Unreached(io::Error),
    /// It closed the connection.
    #[error("the server closed the connection without an answer")]
    Closed,
    /// What it sent is no answer; the text says why.
    #[error("the server's answer is no HTTP: {0}")]
    Malformed(String),
    /// The answer broke off in the middle.
    #[error("the server's answer broke off")]
    BrokenOff,
}

impl<D: Dial> Server<D> {
    /// Passes a request on, and its answer back.
    ///
    /// # Cancel safety
    /// Dropping it hangs up on the server.
    pub async fn exchange(&self, request: WebRequest) -> Exchanged {
        let WebRequest { request, head, answer, upgraded, .. } = request;
        let lost = Lost::default();
        let bodiless = request.body().is_end_stream();
        let mut request = match bodiless {
            true => request,
            false => request.map(|body| lost.watch(body)),
        };
        let mut kept = self.take_kept();
        let (mut line, response) = loop {
            let reused = kept.is_some();
            let mut line = match kept.take() {
                Some(line) => line,
                None => match self.new_line().await {
                    Ok(line) => line,
                    Err(error) => return Exchanged::Failed(NoAnswer::Unreached(error)),
                },
            };
            let Some(sent) = unless_gone(&answer, line.send(request)).await else { return Exchanged::ClientGone };
            match sent {
                Ok(response) => break (line, response),
                Err(mut failed) => match failed.take_message() {
                    // It was closed while it waited, and nothing of the request was sent: a new one takes it.
                    Some(unsent) if reused => request = unsent,
                    _ => return explain(failed.error(), &lost, NoAnswer::Closed),
                },
            }
        };
        match upgraded {
            Some(upgraded) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                switch(line, response, head, upgraded).await
            }
            _ if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Exchanged::Failed(NoAnswer::Malformed("it switches to a protocol that nobody asked for".to_owned()))
            }
            _ => {
                let (parts, body) = response.into_parts();
                if head.send(parts).is_err() {
                    return Exchanged::ClientGone;
                }
                let ended = pass_on(&mut line, body, &answer, &lost).await;
                // A server that leaves a body unread takes it for the next request on the line, which may be another
                // client's: after a body the line is not used again.
                if bodiless && matches!(ended, Exchanged::Whole) {
                    self.keep(line);
                }
                ended
            }
        }
    }

    async fn new_line(&self) -> io::Result<Line> {
        Line::over(self.dial.dial().await?).await
    }
}

/// Passes the body on as it comes, no faster than the client takes it.
async fn pass_on(line: &mut Line, mut body: Incoming, answer: &AnswerSink, lost: &Lost) -> Exchanged {
    loop {
        let Some(frame) = unless_gone(answer, line.while_driven(body.frame())).await else {
            return Exchanged::ClientGone;
        };
        match frame {
            None => return Exchanged::Whole,
            Some(Err(error)) => return explain(&error, lost, NoAnswer::BrokenOff),
            Some(Ok(frame)) => {
                // Trailers have no place in what is passed on.
                let Ok(data) = frame.into_data() else { continue };
                let room = line.while_driven(answer.room()).await;
                if !room.is_heard() {
                    return Exchanged::ClientGone;
                }
                room.put(data);
            }
        }
    }
}

/// Lets client and server speak with each other until one of them ends.
async fn switch(
    mut line: Line,
    mut response: http::Response<Incoming>,
    head: tokio::sync::oneshot::Sender<http::response::Parts>,
    upgraded: Upgraded,
) -> Exchanged {
    let server = hyper::upgrade::on(&mut response);
    if head.send(response.into_parts().0).is_err() {
        return Exchanged::ClientGone;
    }
    let Ok(server) = line.while_driven(server).await else { return Exchanged::Failed(NoAnswer::BrokenOff) };
    let Some(mut client) = upgraded.await else { return Exchanged::ClientGone };
    // A side that breaks off is how such conversations end.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut TokioIo::new(server)).await;
    Exchanged::Whole
}

/// Resolves with `future`, or with `None` once nobody listens to the answer any more.
async fn unless_gone<T>(answer: &AnswerSink, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = answer.closed() => None,
    }
}

/// What an error of the connection means.
fn explain(error: &hyper::Error, lost: &Lost, cut: NoAnswer) -> Exchanged {
    if lost.is_lost() {
        Exchanged::ClientGone
    } else if error.is_parse() || error.is_parse_too_large() {
        Exchanged::Failed(NoAnswer::Malformed(error.to_string()))
    } else {
        Exchanged::Failed(cut)
    }
}
