//! Why an object was not read.

/// What stands in the way of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The other side refused; code and message are its own.
    #[error("{code}: {message}")]
    Refused {
        /// Such as `NoSuchKey`.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// It is larger than it may be.
    #[error("the object is too large")]
    TooLarge,
    /// The other side did not answer, or broke off.
    #[error("the object store cannot be reached: {0}. Check AWS_ENDPOINT_URL_S3, or [aws] of the configuration")]
    Unreachable(String),
    /// The server ends; the next one asks anew.
    #[error("the server stopped while it read an object")]
    Stopped,
    /// The settings make no request.
    #[error("{0}")]
    Unusable(String),
}

impl ObjectError {
    /// True when the other side said that there is no such object, or none that may be read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::TooLarge)
    }

    /// Reads S3's refusal: a small XML document, of which two elements are wanted.
    pub(crate) fn refused(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            let (inside, _) = rest.split_once(&format!("</{name}>"))?;
            Some(
                inside
                    .replace("&quot;", "\"")
                    .replace("&apos;", "'")
                    .replace("&lt;", "<")
                    .replace("&gt;", ">")
                    .replace("&amp;", "&"),
            )
        };
        let code = element("Code").unwrap_or_else(|| status.to_string());
        let message = element("Message").unwrap_or_else(|| "The object store gave no reason.".to_owned());
        Self::Refused { code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_as_far_as_they_go() {
        for (body, code, message) in [
            (
                "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>It&apos;s gone</Message></Error>",
                "NoSuchKey",
                "It's gone",
            ),
            ("<html>", "503", "The object store gave no reason."),
            ("<Code>half", "503", "The object store gave no reason."),
        ] {
            let want = ObjectError::Refused { code: code.into(), message: message.into() };
            assert_eq!(ObjectError::refused(503, body.as_bytes()), want);
        }
    }
}
