use portreeve_policy::{Bit, Bits, Class, Classes};

use super::*;
use crate::store::model::{
    Accepting, Definition, Drift, DriftKind, Judged, Nature, Opinion, Pin, PinState, PinnedOpinion,
};
use crate::store::{Pins, Servers, StoreError};

fn shown(tools: &[(&str, &str)]) -> Vec<Judged> {
    let judged = |(tool, hash): &(&str, &str)| Judged {
        definition: Definition {
            tool: (*tool).to_owned(),
            hash: (*hash).to_owned(),
            text: format!("{{\"v\":\"{hash}\"}}"),
        },
        opinion: Opinion::default(),
    };
    tools.iter().map(judged).collect()
}

struct Watched {
    store: SqliteStore,
    server: Name,
    _place: Place,
}

impl Watched {
    fn new() -> Self {
        let place = Place::new();
        let store = place.open();
        let new = http_server("s", "https://a.example", &[]);
        wait(store.add_server(new, NOON)).expect("added");
        Self {
            store,
            server: name("s"),
            _place: place,
        }
    }

    fn first(&self, tools: &[(&str, &str)]) -> bool {
        wait(self.store.accept_first(&self.server, shown(tools), NOON)).expect("taken")
    }

    fn see(&self, tools: &[(&str, &str)]) -> Vec<(String, DriftKind)> {
        let drifts = wait(self.store.observe(&self.server, shown(tools), NOON)).expect("observed");
        let pair = |drift: Drift| (drift.tool, drift.kind);
        drifts.into_iter().map(pair).collect()
    }

    fn pin(&self, tool: &str) -> Pin {
        let pins = wait(self.store.pins(&self.server)).expect("pins");
        pins.into_iter()
            .find(|pin| pin.tool == tool)
            .expect("a pin")
    }

    fn accept(&self, which: Accepting) -> Result<usize, StoreError> {
        wait(self.store.accept(&self.server, which, NOON)).map(|pins| pins.len())
    }
}

fn seen(tool: &str, hash: &str) -> Accepting {
    Accepting::Seen(vec![(tool.to_owned(), hash.to_owned())])
}

#[test]
fn the_first_list_is_taken_once() {
    let watched = Watched::new();
    assert!(watched.first(&[("a", "1"), ("b", "1"), ("a", "2")]));
    assert!(!watched.first(&[("a", "9"), ("c", "1")]));
    let a = watched.pin("a");
    assert_eq!((a.state, a.hash.as_str()), (PinState::Accepted, "1"));
    assert_eq!(
        wait(watched.store.pins(&watched.server))
            .expect("pins")
            .len(),
        2
    );
}

#[test]
fn what_appears_or_changes_waits_and_is_told_once() {
    let watched = Watched::new();
    watched.first(&[("a", "1")]);
    let list = [("a", "2"), ("b", "1")];
    let changed = ("a".to_owned(), DriftKind::Changed);
    let appeared = ("b".to_owned(), DriftKind::Appeared);
    assert_eq!(watched.see(&list), [changed, appeared]);
    assert_eq!(watched.see(&list), []);

    let a = watched.pin("a");
    assert_eq!((a.hash.as_str(), a.waiting()), ("1", Some("2")));
    assert_eq!(a.definition, r#"{"v":"1"}"#);
    assert_eq!(watched.pin("b").state, PinState::New);
}

#[test]
fn a_definition_that_comes_back_waits_no_more_and_one_that_goes_on_changing_does() {
    let watched = Watched::new();
    watched.first(&[("a", "1")]);
    watched.see(&[("a", "2"), ("b", "1")]);
    assert_eq!(
        watched.see(&[("a", "1")]),
        [("a".to_owned(), DriftKind::Restored)]
    );
    assert_eq!(watched.pin("a").state, PinState::Accepted);
    assert_eq!(
        watched.see(&[("b", "2")]),
        [("b".to_owned(), DriftKind::Changed)]
    );
    let b = watched.pin("b");
    assert_eq!((b.state.clone(), b.waiting()), (PinState::New, Some("2")));
}

#[test]
fn accepting_takes_what_was_seen_and_nothing_that_came_between() {
    let watched = Watched::new();
    watched.first(&[("a", "1")]);
    watched.see(&[("a", "2"), ("b", "1")]);
    let moved = watched
        .accept(seen("a", "1"))
        .expect_err("another definition waits");
    assert!(matches!(moved, StoreError::Moved { .. }), "{moved}");
    let unknown = watched.accept(seen("zzz", "1")).expect_err("unknown");
    assert!(
        matches!(unknown, StoreError::NoSuchTool { .. }),
        "{unknown}"
    );

    assert_eq!(watched.accept(seen("a", "2")).expect("accepted"), 1);
    let a = watched.pin("a");
    assert_eq!((a.state, a.hash.as_str()), (PinState::Accepted, "2"));
    assert_eq!(watched.pin("b").state, PinState::New);
    assert_eq!(
        watched
            .accept(Accepting::Tools(vec!["a".to_owned()]))
            .expect("nothing"),
        0
    );
    assert_eq!(watched.accept(Accepting::All).expect("the rest"), 1);
}

#[test]
fn once_a_person_accepted_nothing_is_taken_unseen() {
    let watched = Watched::new();
    watched.see(&[("a", "1")]);
    assert_eq!(watched.accept(Accepting::All).expect("accepted"), 1);
    assert!(!watched.first(&[("b", "1")]));
}

#[test]
fn pins_of_an_unknown_server_are_an_error() {
    let watched = Watched::new();
    let nobody = name("nobody");
    let list = shown(&[("a", "1")]);
    assert!(wait(watched.store.observe(&nobody, list.clone(), NOON)).is_err());
    assert!(wait(watched.store.accept_first(&nobody, list, NOON)).is_err());
    assert!(wait(watched.store.accept(&nobody, Accepting::All, NOON)).is_err());
}

#[test]
fn a_nature_belongs_to_one_definition() {
    let watched = Watched::new();
    watched.first(&[("t", "1"), ("u", "1")]);
    let nature = Nature {
        class: Class::Read,
        also: Classes::NONE.with(Class::Write),
        bits: Some(Bits::NONE.with(Bit::ReadsPrivate).with(Bit::Egress)),
    };
    let put = |tool: &str, hash: &str| {
        let opinion = PinnedOpinion {
            server: watched.server.clone(),
            tool: tool.to_owned(),
            hash: hash.to_owned(),
            opinion: Opinion {
                nature: Some(nature),
                judge: Some(7),
                held: Some("odd".to_owned()),
            },
        };
        wait(watched.store.put_opinions(vec![opinion])).expect("put");
    };
    put("t", "2");
    assert_eq!(watched.pin("t").opinion.nature, None, "another definition");
    put("t", "1");
    assert_eq!(watched.pin("t").opinion.judge, Some(7));
    assert_eq!(watched.pin("t").opinion.held.as_deref(), Some("odd"));
    assert_eq!(watched.pin("t").opinion.nature, Some(nature));
    assert_eq!(watched.pin("u").opinion.nature, None);

    watched.see(&[("t", "2")]);
    assert_eq!(
        watched.pin("t").opinion.nature,
        Some(nature),
        "of what is accepted"
    );
    watched.see(&[("t", "1")]);
    assert_eq!(watched.pin("t").opinion.nature, Some(nature), "it is back");
    watched.see(&[("t", "2")]);
    watched.accept(Accepting::All).expect("accepted");
    assert_eq!(
        watched.pin("t").opinion.nature,
        None,
        "nobody has judged this one"
    );

    watched.see(&[("new", "1")]);
    put("new", "1");
    assert_eq!(watched.pin("new").opinion.nature, Some(nature));
    watched.see(&[("new", "2")]);
    assert_eq!(watched.pin("new").opinion.nature, None);
}
