//! JSON values and odd spellings of them, the same ones for the same dice.
//!
//! The gate's own tests compile this file, too.

/// A throw below a bound.
pub(crate) type Dice<'a> = &'a mut dyn FnMut(usize) -> usize;

/// A value, known before it is spelled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Grown {
    Null,
    Bool(bool),
    /// Sign, digits without a zero at either end, and the power of ten they are taken by.
    Number(bool, String, i32),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Names that are easily mixed up with each other, with paths, or by a careless reader.
pub(crate) const NAMES: [&str; 18] = [
    "a",
    "b",
    "a.b",
    "[0]",
    "0",
    "odd name",
    "args",
    "x/y",
    "quo\"te",
    "back\\slash",
    "tab\tline\n",
    "é",
    "日本",
    "\u{1F6A2}",
    "\u{2028}",
    "__proto__",
    "constructor",
    "\u{7f}",
];

const LETTERS: [&str; 16] = [
    "a",
    "0",
    " ",
    "\"",
    "\\",
    "/",
    "\n",
    "\t",
    "\u{8}",
    "\u{1f}",
    "é",
    "ß",
    "日",
    "\u{2029}",
    "\u{feff}",
    "\u{1F600}",
];

fn pick<'a>(dice: Dice<'_>, from: &[&'a str]) -> &'a str {
    from[dice(from.len())]
}

pub(crate) fn scalar(dice: Dice<'_>) -> Grown {
    match dice(8) {
        0 => Grown::Null,
        1 => Grown::Bool(dice(2) == 0),
        2..=4 => number(dice),
        _ => {
            let length = dice(6);
            Grown::Text((0..length).map(|_| pick(dice, &LETTERS)).collect())
        }
    }
}

pub(crate) fn number(dice: Dice<'_>) -> Grown {
    let mut digits: String = (0..=dice(20))
        .map(|_| char::from(b'0' + u8::try_from(dice(10)).expect("a digit")))
        .collect();
    digits = digits.trim_matches('0').to_owned();
    if digits.is_empty() {
        return Grown::Number(false, digits, 0);
    }
    let power = i32::try_from(dice(17)).expect("small") - 8;
    Grown::Number(dice(4) == 0, digits, power)
}

pub(crate) fn grow(dice: Dice<'_>, depth: usize) -> Grown {
    match dice(if depth == 0 { 2 } else { 5 }) {
        0 | 1 => scalar(dice),
        2 => Grown::List((0..dice(4)).map(|_| grow(dice, depth - 1)).collect()),
        _ => object(dice, depth - 1),
    }
}

pub(crate) fn object(dice: Dice<'_>, depth: usize) -> Grown {
    let mut members: Vec<(String, Grown)> = Vec::new();
    for _ in 0..dice(5) {
        let name = pick(dice, &NAMES);
        if members.iter().all(|(known, _)| known != name) {
            members.push((name.to_owned(), grow(dice, depth)));
        }
    }
    Grown::Object(members)
}

impl Grown {
    /// One of the ways to write it.
    pub(crate) fn spell(&self, dice: Dice<'_>) -> String {
        let mut out = space(dice).to_owned();
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(is) => out.push_str(if *is { "true" } else { "false" }),
            Self::Number(minus, digits, power) => {
                // There are two zeros to write, and one to mean.
                let minus = *minus || (digits.is_empty() && dice(4) == 0);
                out.push_str(if minus { "-" } else { "" });
                out.push_str(&spell_number(dice, digits, *power));
            }
            Self::Text(text) => out.push_str(&spell_text(dice, text)),
            Self::List(elements) => {
                let elements: Vec<String> = elements.iter().map(|e| e.spell(dice)).collect();
                out.extend(["[", &elements.join(","), space(dice), "]"]);
            }
            Self::Object(members) => {
                // The order of members means nothing.
                let turn = dice(members.len() + 1);
                let turned = members.iter().cycle().skip(turn).take(members.len());
                let mut spelled = Vec::new();
                for (name, value) in turned {
                    let name = spell_text(dice, name);
                    let before = space(dice);
                    let after = space(dice);
                    spelled.push(format!("{before}{name}{after}:{}", value.spell(dice)));
                }
                out.extend(["{", &spelled.join(","), space(dice), "}"]);
            }
        }
        out.push_str(space(dice));
        out
    }
}

fn space(dice: Dice<'_>) -> &'static str {
    ["", "", "", " ", "\n", "\t \r\n"][dice(6)]
}

fn spell_text(dice: Dice<'_>, text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let short = match c {
            '"' | '\\' | '/' => Some(c),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            _ => None,
        };
        let must = c < ' ' || c == '"' || c == '\\';
        match (short, dice(3)) {
            (Some(letter), 0) => out.extend(['\\', letter]),
            (_, 1 | 2) if !must => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let hex = format!("{unit:04x}");
                    let hex = if dice(2) == 0 {
                        hex.to_uppercase()
                    } else {
                        hex
                    };
                    out.extend(["\\u", &hex]);
                }
            }
        }
    }
    out.push('"');
    out
}

fn spell_number(dice: Dice<'_>, digits: &str, power: i32) -> String {
    let zeros = |count: usize| "0".repeat(count);
    if digits.is_empty() {
        return ["0", "0.0", "0e5", "0.00E-3", "0E+0"][dice(5)].to_owned();
    }
    let point = i32::try_from(digits.len()).expect("short") + power;
    match dice(3) {
        // 123e-4
        0 => {
            let more = dice(3);
            let power = power - i32::try_from(more).expect("small");
            let sign = if power < 0 { "" } else { ["", "+"][dice(2)] };
            let e = ["e", "E"][dice(2)];
            format!("{digits}{}{e}{sign}{power}", zeros(more))
        }
        // 1.23e-2
        1 => {
            let (first, rest) = digits.split_at(1);
            let rest = format!("{rest}{}", zeros(dice(3) + usize::from(rest.is_empty())));
            let lead = ["", "0"][dice(2)];
            let exponent = point - 1;
            let sign = if exponent < 0 {
                "-"
            } else {
                ["", "+"][dice(2)]
            };
            format!("{first}.{rest}e{sign}{lead}{}", exponent.abs())
        }
        // 0.0123, 12300, 12.3
        _ => {
            let tail = zeros(dice(3));
            match usize::try_from(point) {
                Ok(point) if point >= digits.len() => {
                    let whole = format!("{digits}{}", zeros(point - digits.len()));
                    [whole.clone(), format!("{whole}.0{tail}")][dice(2)].clone()
                }
                Ok(point) if point > 0 => {
                    let (whole, rest) = digits.split_at(point);
                    format!("{whole}.{rest}{tail}")
                }
                _ => {
                    let before = zeros(point.unsigned_abs() as usize);
                    format!("0.{before}{digits}{tail}")
                }
            }
        }
    }
}

/// A number's sign, digits and power of ten: one text for one number. A reading of its own, which
/// shares nothing with what it is held against.
pub(crate) fn scientific(number: &str) -> String {
    let (minus, number) = match number.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", number),
    };
    let (mantissa, power) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return "0e0".to_owned();
    }
    let power: i64 = power.parse().expect("a power of ten");
    let long = |text: &str| i64::try_from(text.len()).expect("short");
    let power = power + long(digits) - long(kept) - long(fraction);
    format!("{minus}{kept}e{power}")
}
