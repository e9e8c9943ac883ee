//! Roles and policies, by IAM's query protocol: a form goes, XML comes.

use super::connection::Ask;
use super::lambda::PLAIN;
use super::{ApiFailure, Client};
use bytes::Bytes;
use http::Method;
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use serde_json::Value;

const VERSION: &str = "2010-05-08";

/// An answer of IAM.
#[derive(Debug)]
pub struct IamReply(String);

impl Client {
    /// One operation and its parameters.
    ///
    /// # Errors
    /// [`ApiFailure`]: no server, or a refusal.
    pub async fn iam(&mut self, action: &str, parameters: &[(&str, &str)]) -> Result<IamReply, ApiFailure> {
        let mut form = format!("Action={action}&Version={VERSION}");
        for (key, value) in parameters {
            form += &format!("&{key}={}", utf8_percent_encode(value, PLAIN));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let ask = Ask { method: Method::POST, path: "/", service: "iam", headers: &headers, body: form.into() };
        let reply = self.done(ask).await?;
        Ok(IamReply(String::from_utf8_lossy(&reply.body).into_owned()))
    }
}

impl IamReply {
    /// The text of the first element of this name.
    pub fn text(&self, name: &str) -> Option<String> {
        self.texts(name).into_iter().next()
    }

    /// The texts of all elements of this name.
    pub fn texts(&self, name: &str) -> Vec<String> {
        texts(&self.0, name)
    }

    /// A policy document, which travels percent-encoded.
    pub fn document(&self, name: &str) -> Option<Value> {
        let encoded = self.text(name)?;
        serde_json::from_slice(&percent_decode_str(&encoded).collect::<Vec<u8>>()).ok()
    }
}

/// Name and text of a refusal in XML.
pub(super) fn refusal(body: &Bytes) -> Option<(String, String)> {
    let body = std::str::from_utf8(body).ok().filter(|body| body.trim_start().starts_with('<'))?;
    let first = |name: &str| texts(body, name).into_iter().next();
    Some((first("Code")?, first("Message").unwrap_or_default()))
}

/// IAM's elements of text have neither attributes nor elements inside.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once(&open) {
        let Some((inside, beyond)) = after.split_once(&close) else { break };
        found.push(unescaped(inside));
        rest = beyond;
    }
    found
}

fn unescaped(text: &str) -> String {
    // The ampersand comes last: what it stands for must not be read again.
    let each = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    each.iter().fold(text.to_owned(), |text, (name, sign)| text.replace(name, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let reply = IamReply(
            "<R><A><member><PolicyArn>arn:a</PolicyArn></member><member><PolicyArn>b&amp;lt;</PolicyArn></member></A>\
             <Document>%7B%22a%22%3A1%7D</Document></R>"
                .to_owned(),
        );
        assert_eq!(reply.texts("PolicyArn"), ["arn:a", "b&lt;"]);
        assert_eq!(reply.text("Arn"), None);
        assert_eq!(reply.document("Document"), Some(serde_json::json!({"a": 1})));
    }

    #[test]
    fn a_refusal_in_xml_is_read() {
        let body = Bytes::from_static(
            b"<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>none</Message></Error></ErrorResponse>",
        );
        assert_eq!(refusal(&body), Some(("NoSuchEntity".to_owned(), "none".to_owned())));
        assert_eq!(refusal(&Bytes::from_static(b"{}")), None);
    }
}
