//! Every string of a tree, with its place.

use std::fmt::Write as _;

use portreeve_policy::json::{Kind, Value};

/// A string, as it stands in the definition.
#[derive(Clone, Debug)]
#[expect(clippy::struct_field_names, reason = "a text has its text")]
pub(super) struct Text<'t> {
    /// A JSON Pointer.
    pub pointer: String,
    pub text: &'t str,
    /// A key of an object, not a value.
    pub is_key: bool,
    /// The name of the tool or of a parameter: short, and read as a name.
    pub is_name: bool,
}

/// How much of one string is read, and of all together, and how many strings.
const LONGEST: usize = 32_768;
const ALL: usize = 262_144;
const MOST: usize = 4_096;

/// The strings, and whether some were left out.
pub(super) fn of<'t>(tree: &'t Value<'t>) -> (Vec<Text<'t>>, bool) {
    let mut gathered = Gathered {
        texts: Vec::new(),
        left: ALL,
        cut: false,
    };
    gathered.value(tree, &mut String::new(), "", 0);
    (gathered.texts, gathered.cut)
}

/// Where a text is cut: at a character, below the bound.
pub(super) fn longest(text: &str) -> usize {
    text.floor_char_boundary(LONGEST)
}

struct Gathered<'t> {
    texts: Vec<Text<'t>>,
    left: usize,
    cut: bool,
}

impl<'t> Gathered<'t> {
    // The reader of JSON bounds the depth; this bounds it again, for trees made otherwise.
    fn value(&mut self, value: &'t Value<'t>, pointer: &mut String, key: &str, depth: u8) {
        if depth > 100 {
            self.cut = true;
            return;
        }
        let length = pointer.len();
        match &value.kind {
            Kind::String(text) => self.text(text, pointer, false, key == "name" && depth < 3),
            Kind::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    let _ = write!(pointer, "/{at}");
                    self.value(element, pointer, "", depth.saturating_add(1));
                    pointer.truncate(length);
                }
            }
            Kind::Object(members) => {
                for member in members {
                    pointer.push('/');
                    pointer.push_str(&member.key.replace('~', "~0").replace('/', "~1"));
                    self.text(&member.key, pointer, true, key == "properties");
                    self.value(&member.value, pointer, &member.key, depth.saturating_add(1));
                    pointer.truncate(length);
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
        }
    }

    fn text(&mut self, text: &'t str, pointer: &str, is_key: bool, is_name: bool) {
        let end = longest(text).min(text.floor_char_boundary(self.left));
        if end < text.len() || self.texts.len() >= MOST {
            self.cut = true;
        }
        if self.texts.len() >= MOST || (end == 0 && !text.is_empty()) {
            return;
        }
        self.left = self.left.saturating_sub(end);
        let pointer = pointer
            .get(..pointer.floor_char_boundary(200))
            .unwrap_or_default();
        self.texts.push(Text {
            pointer: pointer.to_owned(),
            text: text.get(..end).unwrap_or_default(),
            is_key,
            is_name,
        });
    }
}
