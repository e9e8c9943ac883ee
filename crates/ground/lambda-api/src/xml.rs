//! XML as the older AWS services write it: elements and text, no attributes but a namespace.

/// A piece of XML under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xml(String);

impl Xml {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An element that holds a text.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.open(name);
        for sign in text.chars() {
            match sign {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#13;"),
                // XML 1.0 has no way to write the others.
                '\t' | '\n' | ' '.. => self.0.push(sign),
                _ => self.0.push('\u{fffd}'),
            }
        }
        self.close(name)
    }

    /// The same, if there is a text.
    #[must_use]
    pub fn maybe(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// What stands here, and then the other.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// An element that holds elements.
    #[must_use]
    pub fn element(mut self, name: &str, inside: Self) -> Self {
        self.open(name);
        self.0.push_str(&inside.0);
        self.close(name)
    }

    /// A list: one `member` for each.
    #[must_use]
    pub fn list(self, name: &str, members: impl IntoIterator<Item = Self>) -> Self {
        self.element(name, members.into_iter().fold(Self::new(), |list, member| list.element("member", member)))
    }

    /// A list of texts.
    #[must_use]
    pub fn texts<'t>(self, name: &str, members: impl IntoIterator<Item = &'t str>) -> Self {
        self.element(name, members.into_iter().fold(Self::new(), |list, text| list.text("member", text)))
    }

    /// The whole document: the root's name, and its namespace where it has one.
    #[must_use]
    pub fn document(self, root: &str, namespace: Option<&str>) -> String {
        let namespace = namespace.map(|uri| format!(" xmlns=\"{uri}\"")).unwrap_or_default();
        format!("<{root}{namespace}>{}</{root}>", self.0)
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(mut self, name: &str) -> Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_an_element_is_escaped() {
        let inside = Xml::new().text("Name", "a<b>&\"c\"\u{1}\n").maybe("None", None).texts("Tags", ["x", "y"]);
        let document = inside.list("Of", [Xml::new().text("A", "é")]).document("Root", Some("https://x/"));
        assert_eq!(
            document,
            "<Root xmlns=\"https://x/\"><Name>a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\n</Name><Tags><member>x</member>\
             <member>y</member></Tags><Of><member><A>é</A></member></Of></Root>"
        );
        assert_eq!(Xml::new().document("R", None), "<R></R>");
    }
}
