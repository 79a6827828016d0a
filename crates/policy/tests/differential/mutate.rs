//! Texts grown from seeds, the same ones for the same seed.

use portreeve_policy::cases::{CaseFile, Form};

/// A xorshift generator: small, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = setting("PORTREEVE_DIFFERENTIAL_SEED").unwrap_or(20_260_701);
        Self(seed.max(1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("64 bits") % bound.max(1)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

/// How many texts to grow.
pub(crate) fn inputs() -> usize {
    let asked = setting("PORTREEVE_DIFFERENTIAL_INPUTS").unwrap_or(20_000);
    usize::try_from(asked).expect("64 bits")
}

/// The values of a corpus file: what its calls hand over.
pub(crate) fn corpus(text: &str) -> Vec<String> {
    let file = CaseFile::read(text.as_bytes(), Form::Yaml).expect("the corpus is a file of cases");
    let values = file
        .arguments()
        .filter_map(|args| args.members()?.first()?.value.as_str());
    values
        .filter(|value| value.len() < 400)
        .map(str::to_owned)
        .collect()
}

/// Seeds, then texts made from them by putting in pieces, leaving out and joining.
pub(crate) fn grow(seeds: &[String], pieces: &[&str]) -> Vec<String> {
    let mut dice = Dice::new();
    let mut texts = seeds.to_vec();
    while texts.len() < inputs() {
        let mut text: Vec<char> = dice.pick(seeds).chars().collect();
        for _ in 0..=dice.below(3) {
            let mut at = dice.below(text.len() + 1);
            let between_words = dice.below(2) == 0;
            while between_words && text.get(at).is_some_and(char::is_ascii_alphanumeric) {
                at += 1;
            }
            match dice.below(8) {
                0 => drop(text.drain(at..(at + 1).min(text.len()))),
                1 => {
                    let to = at + dice.below(text.len() - at + 1).min(12);
                    text.drain(at..to);
                }
                2 => {
                    let other: Vec<char> = dice.pick(seeds).chars().collect();
                    let from = dice.below(other.len() + 1);
                    text.truncate(at);
                    text.extend(&other[from..]);
                }
                3 => {
                    let to = at + dice.below(text.len() - at + 1).min(20);
                    let part = text[at..to].to_vec();
                    let into = dice.below(text.len() + 1);
                    text.splice(into..into, part);
                }
                _ => {
                    let piece: Vec<char> = dice.pick(pieces).chars().collect();
                    text.splice(at..at, piece);
                }
            }
        }
        if text.len() < 600 {
            texts.push(text.into_iter().collect());
        }
    }
    texts
}
