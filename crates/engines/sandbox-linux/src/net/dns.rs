//! The sandbox's nameserver: passes questions on to the host's resolvers, and their answers back.
//!
//! Nothing is cached or rewritten: what a name leads to is checked when a connection goes there, not here. Names of
//! services.rs are answered here.

use super::pace::Pace;
use super::policy::EgressPolicy;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connections with questions of one sandbox at once.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// Questions over UDP of one sandbox that wait for answers; more lie in its socket, or are lost and asked again.
const QUESTIONS_MAX: usize = 128;
/// Questions over UDP of one sandbox per second. Source: Amazon VPC, "DNS quotas": 1,024 packets.
const QUESTIONS_PER_SECOND_MAX: u32 = 1_024;
/// A question or an answer over UDP. Source: RFC 6891 section 6.2.5, what to offer at most.
const DATAGRAM_BYTES_MAX: usize = 4_096;
/// Every message begins with a header of so many bytes. Source: RFC 1035 section 4.1.1.
const HEADER_BYTES: usize = 12;
/// A label of a name. Source: RFC 1035 section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;
/// In which a question must be answered: a little before resolvers' own five seconds, so that they hear of a
/// failure instead of guessing it. Source: resolv.conf(5), `timeout`.
const ANSWER_MAX: Duration = Duration::from_millis(4_500);
/// How often a question is sent at least: a datagram can be lost.
const ATTEMPTS_MIN: usize = 2;
/// How long a connection may wait for its next question. Source: RFC 7766 section 6.2.3, "a few seconds".
const NEXT_QUESTION_MAX: Duration = Duration::from_secs(10);
/// Rest after the socket failed, so that a lasting failure does not spin.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// In the third byte: this is an answer; it is cut.
const IS_ANSWER: u8 = 0x80;
const IS_CUT: u8 = 0x02;
/// In the third byte: operation code and "recursion desired", which an answer repeats.
const KEPT_OF_QUESTION: u8 = 0x79;
/// In the fourth byte: recursion is to be had; the response code "server failure".
const RECURSION: u8 = 0x80;
/// A question's type and class: an IPv4 address of the internet. Source: RFC 1035 sections 3.2.2 and 3.2.4.
const IPV4_ADDRESS_IN: [u8; 4] = [0, 1, 0, 1];
/// A pointer to the name right behind the header. Source: RFC 1035 section 4.1.4.
const NAME_OF_QUESTION: [u8; 2] = [0xc0, HEADER_BYTES as u8];
/// How long what is answered here may be kept.
const OWN_SECONDS: u32 = 60;
const SERVER_FAILURE: u8 = 2;

/// Answers questions on `socket` for ever.
pub(super) async fn answer_datagrams(socket: UdpSocket, policy: &EgressPolicy) {
    let socket = Arc::new(socket);
    let mut asked = JoinSet::new();
    let mut question = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut pace = Pace::new(QUESTIONS_PER_SECOND_MAX);
    loop {
        let next = async {
            pace.ready().await;
            socket.recv_from(&mut question).await
        };
        tokio::select! {
            Some(_) = asked.join_next() => {}
            received = next, if asked.len() < QUESTIONS_MAX => match received {
                Ok((length, asker)) => {
                    pace.take();
                    if !is_question(&question[..length]) {
                        continue;
                    }
                    let (socket, policy, question) = (socket.clone(), policy.clone(), question[..length].to_vec());
                    asked.spawn(async move {
                        let answer = answer_datagram(&question, &policy).await;
                        // The asker may be gone; a lost datagram is lost.
                        let _ = socket.send_to(&answer, asker).await;
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a sandbox's DNS socket failed");
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            },
        }
    }
}

/// Answers the questions of one connection until it ends or is silent.
pub(super) async fn answer_stream(mut asker: TcpStream, policy: EgressPolicy) {
    while let Ok(Ok(question)) = timeout(NEXT_QUESTION_MAX, read_framed(&mut asker, DATAGRAM_BYTES_MAX)).await {
        if !is_question(&question) {
            return;
        }
        let answer = match (own_answer(&question, &policy), policy.admit_question()) {
            (Some(own), _) => Some(own),
            (None, Some(_place)) => ask_by_stream(&question, &policy.resolvers()).await,
            (None, None) => None,
        };
        let answer = answer.unwrap_or_else(|| failure(&question));
        if !matches!(timeout(NEXT_QUESTION_MAX, write_framed(&mut asker, &answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn answer_datagram(question: &[u8], policy: &EgressPolicy) -> Vec<u8> {
    let answer = match (own_answer(question, policy), policy.admit_question()) {
        (Some(own), _) => Some(own),
        (None, Some(_place)) => ask_by_datagram(question, &policy.resolvers()).await,
        (None, None) => None,
    };
    match answer {
        Some(answer) if answer.len() > DATAGRAM_BYTES_MAX => cut(question),
        Some(answer) => answer,
        None => failure(question),
    }
}

/// The first answer of any of `resolvers`, asked one after the other.
async fn ask_by_datagram(question: &[u8], resolvers: &[SocketAddr]) -> Option<Vec<u8>> {
    let attempts = resolvers.len().max(ATTEMPTS_MIN);
    let share = ANSWER_MAX / u32::try_from(attempts).unwrap_or(u32::MAX);
    for resolver in resolvers.iter().cycle().take(attempts) {
        // A failure, such as "nobody listens there", goes on to the next one at once.
        if let Ok(Ok(answer)) = timeout(share, ask_one_by_datagram(question, *resolver)).await {
            return Some(answer);
        }
    }
    None
}

async fn ask_one_by_datagram(question: &[u8], resolver: SocketAddr) -> io::Result<Vec<u8>> {
    // A socket of its own: the kernel picks an unforeseeable port and passes only this resolver's datagrams.
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(resolver).await?;
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM_BYTES_MAX + 1];
    loop {
        let length = socket.recv(&mut answer).await?;
        if answers(&answer[..length], question) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

/// The first answer of any of `resolvers` over TCP.
async fn ask_by_stream(question: &[u8], resolvers: &[SocketAddr]) -> Option<Vec<u8>> {
    let share = ANSWER_MAX / u32::try_from(resolvers.len().max(1)).unwrap_or(u32::MAX);
    for resolver in resolvers {
        if let Ok(Ok(answer)) = timeout(share, ask_one_by_stream(question, *resolver)).await {
            return Some(answer);
        }
    }
    None
}

async fn ask_one_by_stream(question: &[u8], resolver: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(resolver).await?;
    write_framed(&mut stream, question).await?;
    let answer = read_framed(&mut stream, usize::from(u16::MAX)).await?;
    if answers(&answer, question) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Reads a message behind its length. Source: RFC 1035 section 4.2.2.
async fn read_framed(stream: &mut TcpStream, bytes_max: usize) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > bytes_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

async fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    stream.write_all(&framed).await
}

fn is_question(message: &[u8]) -> bool {
    (HEADER_BYTES..=DATAGRAM_BYTES_MAX).contains(&message.len()) && message[2] & IS_ANSWER == 0
}

/// True when `answer` bears the number of `question` and is one.
fn answers(answer: &[u8], question: &[u8]) -> bool {
    answer.len() >= HEADER_BYTES && answer[..2] == question[..2] && answer[2] & IS_ANSWER != 0
}

/// "Server failure", so that the asker need not wait for nothing.
fn failure(question: &[u8]) -> Vec<u8> {
    bare_answer(question, 0, SERVER_FAILURE)
}

/// "Too long for a datagram": the asker comes again over TCP.
fn cut(question: &[u8]) -> Vec<u8> {
    bare_answer(question, IS_CUT, 0)
}

/// The answer to a question about a name that only sandboxes know; no record for another type than an IPv4 address.
fn own_answer(question: &[u8], policy: &EgressPolicy) -> Option<Vec<u8>> {
    let end = question_end(question)?;
    let address = policy.address_of(&labels(&question[HEADER_BYTES..end - 4]))?;
    let mut answer = bare_answer(question, 0, 0);
    if question[end - 4..end] == IPV4_ADDRESS_IN {
        answer[7] = 1; // the count of answers
        answer.extend_from_slice(&NAME_OF_QUESTION);
        answer.extend_from_slice(&IPV4_ADDRESS_IN);
        answer.extend_from_slice(&OWN_SECONDS.to_be_bytes());
        answer.extend_from_slice(&4_u16.to_be_bytes());
        answer.extend_from_slice(&address.octets());
    }
    Some(answer)
}

/// The labels of an encoded name that [`question_end`] has found well-formed.
fn labels(mut name: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    while let Some((&length, rest)) = name.split_first() {
        let Some((label, rest)) = rest.split_at_checked(usize::from(length)).filter(|_| length > 0) else { break };
        labels.push(label);
        name = rest;
    }
    labels
}

/// The header and the question again, no records. Without the question resolvers take it for a forgery.
fn bare_answer(question: &[u8], flags: u8, code: u8) -> Vec<u8> {
    let end = question_end(question);
    let mut answer = question[..end.unwrap_or(HEADER_BYTES)].to_vec();
    answer[2] = question[2] & KEPT_OF_QUESTION | IS_ANSWER | flags;
    answer[3] = RECURSION | code;
    answer[4..HEADER_BYTES].fill(0); // the counts
    answer[5] = u8::from(end.is_some());
    answer
}

/// Where the first question of a message ends: name, type, class. Source: RFC 1035 section 4.1.2.
fn question_end(message: &[u8]) -> Option<usize> {
    let mut at = HEADER_BYTES;
    loop {
        match usize::from(*message.get(at)?) {
            0 => break,
            label if label <= LABEL_BYTES_MAX => at += 1 + label,
            _ => return None, // a pointer has nothing to point back to here
        }
    }
    Some(at + 1 + 4).filter(|end| *end <= message.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// "x." A IN, number 0x1234, recursion desired, with an EDNS record behind it.
    const QUESTION: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01x\x00\x00\x01\x00\x01\x00\x00\x29\x10\x00\0\0\0\0\0\0";

    #[test]
    fn a_failure_repeats_the_question_and_nothing_else() {
        let want = b"\x12\x34\x81\x82\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x00\x00\x01\x00\x01";
        assert_eq!(failure(QUESTION), want);
        assert!(answers(&failure(QUESTION), QUESTION));
    }

    #[test]
    fn a_question_that_cannot_be_read_is_not_repeated() {
        for torn in
            [&QUESTION[..12], &QUESTION[..14], &QUESTION[..18], b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"]
        {
            assert_eq!(failure(torn), b"\x12\x34\x81\x82\0\0\0\0\0\0\0\0");
        }
    }

    #[test]
    fn a_name_that_only_sandboxes_know_is_answered_here() {
        let services = Some(super::super::services::Services::at("http://127.0.0.1:4566"));
        let policy = EgressPolicy::new(super::super::policy::EgressOptions { services, ..Default::default() });
        let ask =
            |kind: u8| [b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x08lacewing\x08internal\0\0", &[kind, 0, 1][..]].concat();
        let question = ask(1);
        let answer = own_answer(&question, &policy).unwrap();
        assert!(answers(&answer, &question));
        assert_eq!(answer[4..8], [0, 1, 0, 1], "one question, one answer");
        assert_eq!(answer[HEADER_BYTES..question.len()], question[HEADER_BYTES..]);
        assert_eq!(answer[question.len()..], *b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        assert_eq!(own_answer(&ask(28), &policy).unwrap()[4..8], [0, 1, 0, 0], "there is no IPv6 address");
        assert_eq!(own_answer(QUESTION, &policy), None);
        assert_eq!(own_answer(&question, &EgressPolicy::new(Default::default())), None);
    }

    #[test]
    fn only_what_asks_is_a_question_and_only_its_answer_answers_it() {
        assert!(is_question(QUESTION));
        assert!(!is_question(&QUESTION[..11]));
        assert!(!is_question(&[0; DATAGRAM_BYTES_MAX + 1]));
        assert!(!is_question(&failure(QUESTION)));
        assert!(!answers(QUESTION, QUESTION));
        let mut other = failure(QUESTION);
        other[0] ^= 1;
        assert!(!answers(&other, QUESTION));
    }
}
