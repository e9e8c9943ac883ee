//! The end of an invocation's log, for callers that ask with `LogType=Tail`.

/// The last bytes of what was written.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    bytes_max: usize,
    bytes: Vec<u8>,
}

impl Tail {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: Vec::new() }
    }

    /// Adds one line.
    pub fn push(&mut self, text: &str) {
        let from = text.len().saturating_sub(self.bytes_max);
        self.bytes.extend_from_slice(&text.as_bytes()[from..]);
        self.bytes.push(b'\n');
        // Cut only now and then, so that many short lines are not moved for each of them.
        if self.bytes.len() > self.bytes_max * 4 {
            self.cut();
        }
    }

    /// The last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.cut();
        self.bytes
    }

    fn cut(&mut self) {
        self.bytes.drain(..self.bytes.len().saturating_sub(self.bytes_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        let mut tail = Tail::new(8);
        for line in 0..1_000 {
            tail.push(&line.to_string());
        }
        assert_eq!(tail.finish(), b"998\n999\n");
        let mut tail = Tail::new(8);
        tail.push(&"x".repeat(100));
        tail.push("yz");
        assert_eq!(tail.finish(), b"xxxx\nyz\n");
    }
}
