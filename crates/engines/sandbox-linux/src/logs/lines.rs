//! Bytes of a pipe, cut into lines.

/// Cuts at newlines, and where a line grows longer than is kept.
pub(super) struct Lines {
    partial: Vec<u8>,
    bytes_max: usize,
}

impl Lines {
    /// Lines of at most `bytes_max` bytes; longer ones come in pieces.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { partial: Vec::new(), bytes_max: bytes_max.max(1) }
    }

    /// Takes the next bytes and hands out the lines that are complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(String)) {
        while !bytes.is_empty() {
            let room = self.bytes_max - self.partial.len();
            let window = &bytes[..bytes.len().min(room)];
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.hand_out(&bytes[..end], take);
                    bytes = &bytes[end + 1..];
                }
                None if window.len() == room => {
                    self.hand_out(window, take);
                    bytes = &bytes[room..];
                }
                None => {
                    self.partial.extend_from_slice(window);
                    return;
                }
            }
        }
    }

    /// Hands out a last line that has no end.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(String)) {
        if !self.partial.is_empty() {
            self.hand_out(&[], take);
        }
    }

    fn hand_out(&mut self, rest: &[u8], take: &mut dyn FnMut(String)) {
        let text = if self.partial.is_empty() {
            String::from_utf8_lossy(rest).into_owned()
        } else {
            self.partial.extend_from_slice(rest);
            let text = String::from_utf8_lossy(&self.partial).into_owned();
            self.partial.clear();
            // A long line's room is given back: it may have been the only one.
            self.partial.shrink_to(4_096);
            text
        };
        take(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]], max: usize) -> Vec<String> {
        let mut lines = Lines::new(max);
        let mut all = Vec::new();
        for piece in pieces {
            lines.feed(piece, &mut |line| all.push(line));
        }
        lines.finish(&mut |line| all.push(line));
        all
    }

    #[test]
    fn lines_are_cut_at_newlines_wherever_reads_fall() {
        assert_eq!(cut(&[b"a\nb", b"c\n\nd"], 99), ["a", "bc", "", "d"]);
        assert_eq!(cut(&[b"\xff\n"], 99), ["\u{fffd}"]);
        assert!(cut(&[], 99).is_empty());
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        assert_eq!(cut(&[b"abcdef", b"gh\nij"], 3), ["abc", "def", "gh", "ij"]);
    }
}
