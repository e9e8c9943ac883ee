//! The canonical request: the one text that signer and verifier hash. Source: "Create a signed AWS API
//! request", step 1, with the double encoding of the path that every service but S3 asks for.

use crate::RequestHead;

/// Builds the canonical request over the headers that the *signer* chose.
///
/// `payload` is the hex hash of the body or what stands in its place.
pub(crate) fn request(head: &RequestHead<'_>, signed_headers: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + head.path.len() + 2 * head.query.len());
    out.extend_from_slice(head.method.as_bytes());
    out.push(b'\n');
    push_path(&mut out, head.path);
    out.push(b'\n');
    push_query(&mut out, head.query);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        push_header(&mut out, head, name);
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload);
    out
}

/// The path, normalised as RFC 3986 says, each byte of the *sent* path encoded once more.
fn push_path(out: &mut Vec<u8>, path: &str) {
    // A rough test, wrong only towards the slow way.
    if path.starts_with('/') && !path.contains("//") && !path.contains("/.") {
        encode(out, path.bytes(), true);
        return;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    for part in &parts {
        out.push(b'/');
        encode(out, part.bytes(), false);
    }
    if parts.is_empty() || path.ends_with('/') {
        out.push(b'/');
    }
}

/// Every pair but the signature itself, decoded, encoded strictly, sorted by key and then by value.
fn push_query(out: &mut Vec<u8>, query: &str) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(|(key, _)| *key != "X-Amz-Signature")
        .map(|(key, value)| (strictly(key), strictly(value)))
        .collect();
    pairs.sort_unstable();
    for (n, (key, value)) in pairs.iter().enumerate() {
        if n > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(key);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn strictly(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    decode(text, |byte| encode(&mut out, std::iter::once(byte), false));
    out
}

/// `name:value,value`, blanks at the ends gone and runs of them made one.
fn push_header(out: &mut Vec<u8>, head: &RequestHead<'_>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let values = head.headers.iter().filter(|(known, _)| *known == name);
    for (n, (_, value)) in values.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        let mut blank = false;
        for byte in value.trim_ascii() {
            if *byte != b' ' || !blank {
                out.push(*byte);
            }
            blank = *byte == b' ';
        }
    }
    out.push(b'\n');
}

fn encode(out: &mut Vec<u8>, bytes: impl Iterator<Item = u8>, keep_slash: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') || (keep_slash && byte == b'/') {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Percent-decodes query text; `+` is a blank, and a `%` without two digits stands for itself.
pub(crate) fn decode(text: &str, mut push: impl FnMut(u8)) {
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                push(high << 4 | low);
                at += 2;
            }
            (b'+', ..) => push(b' '),
            (byte, ..) => push(*byte),
        }
        at += 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_once_more() {
        for (path, want) in [
            ("/", "/"),
            ("", "/"),
            ("/2015-03-31/functions/", "/2015-03-31/functions/"),
            ("/functions/arn%3Aaws%3Alambda", "/functions/arn%253Aaws%253Alambda"),
            ("/a//b/./c/../d", "/a/b/d"),
            ("/a/..", "/"),
            ("/a/%2E%2E/b", "/a/%252E%252E/b"),
            ("/~x:y", "/~x%3Ay"),
        ] {
            let mut out = Vec::new();
            push_path(&mut out, path);
            assert_eq!(String::from_utf8(out).unwrap(), want, "{path}");
        }
    }

    #[test]
    fn queries_are_sorted_and_strict() {
        for (query, want) in [
            ("", ""),
            ("b=2&a=1&a=0&", "a=0&a=1&b=2"),
            ("flag&x=", "flag=&x="),
            ("Q=%24LATEST&q=a+b&r=%zz", "Q=%24LATEST&q=a%20b&r=%25zz"),
            ("X-Amz-Signature=00&X-Amz-Date=1", "X-Amz-Date=1"),
        ] {
            let mut out = Vec::new();
            push_query(&mut out, query);
            assert_eq!(String::from_utf8(out).unwrap(), want, "{query}");
        }
    }
}
