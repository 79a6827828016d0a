//! What was found while a definition was read.

use portreeve_policy::Class;

use crate::verdict::{Place, Signal};

/// Evidence as it is collected; [`crate::weigh`] adds it up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collected {
    signals: Vec<Signal>,
    /// Something says that the tool changes nothing: the words.
    pub restriction: Option<(Place, String)>,
    /// What the verbs of the name and the description act on.
    pub objects: Vec<String>,
    /// The main verb that decides, in its plain form.
    pub verb: Option<String>,
}

/// More is not kept: a definition with a thousand parameters has made its point.
const MOST: usize = 64;

impl Collected {
    pub(crate) fn add(
        &mut self,
        rule: &'static str,
        class: Class,
        weight: i32,
        place: Place,
        (words, meaning): (&str, String),
    ) {
        if self.signals.len() < MOST {
            self.signals.push(Signal {
                rule,
                class,
                place,
                words: quoted(words),
                meaning,
                weight,
            });
        }
    }

    pub(crate) fn signals(&self) -> &[Signal] {
        &self.signals
    }

    pub(crate) fn signals_mut(&mut self) -> &mut Vec<Signal> {
        &mut self.signals
    }

    pub(crate) fn into_signals(self) -> Vec<Signal> {
        self.signals
    }

    /// The heaviest signal of a class.
    pub(crate) fn best(&self, class: Class) -> Option<&Signal> {
        self.signals
            .iter()
            .filter(|signal| signal.class == class)
            .max_by_key(|signal| signal.weight)
    }

    pub(crate) fn has(&self, rule: &str) -> bool {
        self.signals.iter().any(|signal| signal.rule == rule)
    }
}

/// Strangers' words as they may be shown: one line, nothing invisible, no longer than a glance.
pub(crate) fn quoted(words: &str) -> String {
    const LONGEST: usize = 90;
    let mut out = String::new();
    for (at, c) in words.chars().enumerate() {
        if at == LONGEST {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            c if is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that cannot be seen, change how others are read, or steer a terminal.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
