//! A policy and a call as the generator makes them, and how they are written down.

use std::fmt::{self, Display};

use super::tree::Tree;

#[derive(Clone, Debug)]
pub enum Step {
    Name(&'static str),
    Index(usize),
    Each,
}

#[derive(Clone, Debug)]
pub struct Path {
    pub root: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub enum Condition {
    Test {
        path: Path,
        op: &'static str,
        value: Tree,
    },
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
}

#[derive(Clone, Debug)]
pub struct Limit {
    pub counter: String,
    pub scope: &'static str,
    /// A constant that is sound, unless a path stands in its place.
    pub cost: Result<&'static str, Path>,
    pub allow_zero: bool,
    pub per: Option<Path>,
}

#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub action: Option<&'static str>,
    pub deny_if: Vec<Vec<Condition>>,
    pub require: Vec<Vec<Condition>>,
    /// `true`, or `"schema"`.
    pub validate: Option<bool>,
    pub asks: Vec<Vec<Condition>>,
    pub limits: Vec<Limit>,
}

#[derive(Clone, Debug)]
pub struct Flow {
    pub after: Vec<&'static str>,
    pub then: Vec<&'static str>,
    pub denies: bool,
    pub seconds: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Document {
    pub allows: bool,
    pub zone: Option<&'static str>,
    pub hide: Vec<&'static str>,
    pub all_tools: Option<Rules>,
    pub tools: Vec<(&'static str, Rules)>,
    pub flow: Vec<Flow>,
}

/// A schema's keywords, as far as they are made here.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub kind: Option<&'static str>,
    pub default: Option<Tree>,
    pub properties: Vec<(&'static str, Self)>,
    pub required: Vec<&'static str>,
    pub closed: bool,
    pub items: Option<Box<Self>>,
}

impl Condition {
    /// The same with one `not` pushed inwards wherever that can be done.
    pub fn turned(&self) -> Self {
        let each = |parts: &[Self], not: bool| {
            let turned = parts.iter().map(|part| {
                if not {
                    Self::Not(Box::new(part.clone())).turned()
                } else {
                    part.turned()
                }
            });
            turned.collect::<Vec<Self>>()
        };
        match self {
            Self::Test { .. } => self.clone(),
            Self::Any(parts) => Self::Any(each(parts, false)),
            Self::All(parts) => Self::All(each(parts, false)),
            Self::Not(inner) => match &**inner {
                Self::Any(parts) => Self::All(each(parts, true)),
                Self::All(parts) => Self::Any(each(parts, true)),
                Self::Not(twice) => twice.turned(),
                Self::Test { .. } => self.clone(),
            },
        }
    }

    pub fn paths<'c>(&'c self, out: &mut Vec<&'c Path>) {
        match self {
            Self::Test { path, .. } => out.push(path),
            Self::Any(parts) | Self::All(parts) => parts.iter().for_each(|p| p.paths(out)),
            Self::Not(inner) => inner.paths(out),
        }
    }
}

impl Rules {
    /// The same, its conditions turned.
    pub fn turned(&self) -> Self {
        let lists = |lists: &[Vec<Condition>]| {
            let turned = lists
                .iter()
                .map(|l| l.iter().map(Condition::turned).collect());
            turned.collect::<Vec<Vec<Condition>>>()
        };
        Self {
            deny_if: lists(&self.deny_if),
            require: lists(&self.require),
            asks: lists(&self.asks),
            ..self.clone()
        }
    }

    /// Every path that its rules follow.
    pub fn paths(&self) -> Vec<&Path> {
        let lists = self.deny_if.iter().chain(&self.require).chain(&self.asks);
        let mut paths = Vec::new();
        lists
            .flatten()
            .for_each(|condition| condition.paths(&mut paths));
        for limit in &self.limits {
            paths.extend(limit.cost.as_ref().err());
            paths.extend(&limit.per);
        }
        paths
    }
}

impl Document {
    pub fn turned(&self) -> Self {
        let tools = self.tools.iter();
        Self {
            all_tools: self.all_tools.as_ref().map(Rules::turned),
            tools: tools.map(|(name, rules)| (*name, rules.turned())).collect(),
            ..self.clone()
        }
    }
}

fn list<T: Display>(parts: impl IntoIterator<Item = T>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|p| p.to_string()).collect();
    format!("[{}]", parts.join(","))
}

fn object(parts: &[String]) -> String {
    format!("{{{}}}", parts.join(","))
}

fn quoted(names: &[&str]) -> String {
    list(names.iter().map(|name| format!("{name:?}")))
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root)?;
        for step in &self.steps {
            match step {
                Step::Name(name) if name.contains(' ') => write!(f, "[{name:?}]")?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test { path, op, value } => {
                let path = path.to_string();
                write!(f, r#"{{"path":{path:?},"op":"{op}","value":{value}}}"#)
            }
            Self::Any(parts) => write!(f, r#"{{"any":{}}}"#, list(parts)),
            Self::All(parts) => write!(f, r#"{{"all":{}}}"#, list(parts)),
            Self::Not(inner) => write!(f, r#"{{"not":{inner}}}"#),
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            counter,
            scope,
            allow_zero,
            ..
        } = self;
        write!(
            f,
            r#"{{"counter":"{counter}","window":"day","max":5,"scope":"{scope}","allow_zero":{allow_zero}"#
        )?;
        match &self.cost {
            Ok(constant) => write!(f, r#","cost":{constant}"#)?,
            Err(path) => write!(f, r#","cost":{:?}"#, path.to_string())?,
        }
        if let Some(path) = &self.per {
            write!(f, r#","per":{:?}"#, path.to_string())?;
        }
        f.write_str("}")
    }
}

impl Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.action.map(|action| format!(r#""action":"{action}""#)));
        let lists = [
            ("deny_if", &self.deny_if),
            ("require", &self.require),
            ("require_approval", &self.asks),
        ];
        for (key, entries) in lists.into_iter().filter(|(_, entries)| !entries.is_empty()) {
            let entries = entries
                .iter()
                .map(|c| format!(r#"{{"conditions":{}}}"#, list(c)));
            parts.push(format!(r#""{key}":{}"#, list(entries)));
        }
        parts.extend(self.validate.map(|closed| {
            let value = if closed { "true" } else { "\"schema\"" };
            format!(r#""validate":{value}"#)
        }));
        if !self.limits.is_empty() {
            parts.push(format!(r#""limits":{}"#, list(&self.limits)));
        }
        f.write_str(&object(&parts))
    }
}

impl Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = if self.allows { "allow" } else { "deny" };
        let mut parts = vec![format!(r#""version":"1","default":"{default}""#)];
        parts.extend(self.zone.map(|zone| format!(r#""timezone":"{zone}""#)));
        parts.push(format!(r#""hide":{}"#, quoted(&self.hide)));
        parts.extend(
            self.all_tools
                .as_ref()
                .map(|rules| format!(r#""all_tools":{rules}"#)),
        );
        let tools = self.tools.iter();
        let tools: Vec<String> = tools
            .map(|(name, rules)| format!("{name:?}:{rules}"))
            .collect();
        parts.push(format!(r#""tools":{}"#, object(&tools)));
        let flow = self.flow.iter().enumerate().map(|(i, flow)| {
            let (after, then) = (quoted(&flow.after), quoted(&flow.then));
            let action = if flow.denies { "deny" } else { "require_approval" };
            let seconds = flow.seconds;
            format!(
                r#"{{"name":"f{i}","after":{after},"then":{then},"action":"{action}","for":"{seconds}s"}}"#
            )
        });
        parts.push(format!(r#""flow":{}"#, list(flow)));
        f.write_str(&object(&parts))
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.kind.map(|kind| format!(r#""type":"{kind}""#)));
        parts.extend(
            self.default
                .as_ref()
                .map(|value| format!(r#""default":{value}"#)),
        );
        let properties = self.properties.iter();
        let properties: Vec<String> = properties
            .map(|(k, shape)| format!("{k:?}:{shape}"))
            .collect();
        parts.push(format!(r#""properties":{}"#, object(&properties)));
        parts.push(format!(r#""required":{}"#, quoted(&self.required)));
        if self.closed {
            parts.push(r#""additionalProperties":false"#.to_owned());
        }
        parts.extend(
            self.items
                .as_ref()
                .map(|items| format!(r#""items":{items}"#)),
        );
        f.write_str(&object(&parts))
    }
}
