//! Calls that wait for people, and what the people said.
//!
//! What an approval's state follows from is here, without a database: [`settled`] and
//! [`Approval::may_vote`]. What makes two calls the same one (`binding`) is the gate's to say.

use std::fmt;

use portreeve_policy::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::person::Person;
use crate::name::{Label, Name};

/// A call that waits, or has waited, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// `ap_` and 20 hexadecimal digits.
    pub id: String,
    pub asked: NewApproval,
    pub asked_at: Timestamp,
    pub state: State,
    pub votes: Vec<Vote>,
    pub ended_at: Option<Timestamp>,
}

/// What is known of a call when it is put before people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApproval {
    /// SHA-256 (lower-case hex) over everything the approval is for: the same call, the same
    /// binding.
    pub binding: String,
    pub grant: Label,
    pub identity: String,
    pub server: Name,
    pub method: String,
    /// The tool, the resource or the prompt.
    pub subject: String,
    /// What goes to the server, in canonical JSON; gone once the approval has ended.
    pub params: Option<String>,
    /// `name@version` of the policy that asks.
    pub policy: String,
    pub needs: Vec<Need>,
    /// Until then it can be decided and used.
    pub expires_at: Timestamp,
}

/// What one rule wants of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    pub rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many different people.
    pub approvals: u32,
    /// Who they may be; empty for everybody who may approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    pub person: Label,
    pub says: Says,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which of the needs the person may speak for, by their places.
    pub counts_for: Vec<usize>,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Taken back when a call had used it already: it counts for no other call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    Approve,
    Deny,
}

/// How an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Waiting,
    /// One call may pass.
    Approved,
    Denied,
    Expired,
    /// The call has passed.
    Used,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a person may not decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoVote {
    #[error("{0} may not approve calls: the role is `{1}`")]
    Role(Label, &'static str),
    #[error("nobody approves a call of their own: the caller's identity is {0}")]
    Own(String),
    #[error("the rules that ask name other approvers: {0}")]
    NotNamed(String),
    #[error("{0} has decided already")]
    Twice(Label),
    #[error("it is {0} already")]
    Over(State),
    #[error("{0} has not approved it, so there is nothing to withdraw")]
    NotGiven(Label),
}

/// What the votes come to: one denial denies, and each need wants its own approvals.
pub fn settled(needs: &[Need], votes: &[Vote]) -> State {
    let counted = || votes.iter().filter(|vote| !vote.taken_back);
    if counted().any(|vote| vote.says == Says::Deny) {
        return State::Denied;
    }
    let is_met = |(place, need): (usize, &Need)| {
        let approving = counted().filter(|vote| vote.counts_for.contains(&place));
        approving.count() >= need.approvals as usize
    };
    // Nothing that nobody was asked for is approved.
    if !needs.is_empty() && needs.iter().enumerate().all(is_met) {
        State::Approved
    } else {
        State::Waiting
    }
}

impl Approval {
    /// Whether it can still be decided or used at a time.
    pub fn is_live(&self, now: Timestamp) -> bool {
        let open = matches!(self.state, State::Waiting | State::Approved | State::Denied);
        open && now < self.asked.expires_at
    }

    /// Whether anybody can still decide it.
    pub fn is_undecided(&self, now: Timestamp) -> Result<(), NoVote> {
        self.is_still(&[State::Waiting], now)
    }

    /// Whether what was said can still be taken back: no call has used it.
    pub fn is_untaken(&self, now: Timestamp) -> Result<(), NoVote> {
        self.is_still(&[State::Waiting, State::Approved], now)
    }

    fn is_still(&self, states: &[State], now: Timestamp) -> Result<(), NoVote> {
        if !states.contains(&self.state) {
            return Err(NoVote::Over(self.state));
        }
        if !self.is_live(now) {
            return Err(NoVote::Over(State::Expired));
        }
        Ok(())
    }

    /// Whether a person can still take back an approval of their own: as long as no call has used it.
    ///
    /// INVARIANT: nobody takes back what somebody else said (`what_was_said_can_be_taken_back`).
    pub fn may_withdraw(&self, person: &Person, now: Timestamp) -> Result<(), NoVote> {
        let has_said = |vote: &Vote| vote.person == person.name && !vote.taken_back;
        if self.state == State::Used && !self.votes.iter().any(has_said) {
            return Err(NoVote::NotGiven(person.name.clone()));
        }
        self.is_untaken(now)?;
        if self.votes.iter().any(has_said) {
            Ok(())
        } else {
            Err(NoVote::NotGiven(person.name.clone()))
        }
    }

    /// Takes back what a person said. What has been used stays used, but should the call turn out
    /// never to have reached its server, this is no approval any more.
    ///
    /// INVARIANT: who approved a call that has passed stays known
    /// (`what_was_said_can_be_taken_back`).
    pub fn withdraw(&mut self, person: &Person) {
        if self.state == State::Used {
            let own = self.votes.iter_mut().filter(|v| v.person == person.name);
            own.for_each(|vote| vote.taken_back = true);
        } else {
            self.votes.retain(|vote| vote.person != person.name);
            self.state = settled(&self.asked.needs, &self.votes);
        }
    }

    /// The needs that a person may speak for, or why the person may not decide at all.
    ///
    /// INVARIANT: nobody approves a call of their own, and nobody decides twice
    /// (`who_may_decide`).
    pub fn may_vote(&self, person: &Person, now: Timestamp) -> Result<Vec<usize>, NoVote> {
        if !person.role.may_approve() {
            return Err(NoVote::Role(person.name.clone(), person.role.as_str()));
        }
        self.is_undecided(now)?;
        if person.is_known_as(&self.asked.identity) {
            return Err(NoVote::Own(self.asked.identity.clone()));
        }
        let counts = |vote: &Vote| vote.person == person.name && !vote.taken_back;
        if self.votes.iter().any(counts) {
            return Err(NoVote::Twice(person.name.clone()));
        }
        let needs = &self.asked.needs;
        let speaks_for = |need: &Need| {
            need.approvers.is_empty() || need.approvers.iter().any(|who| person.is_known_as(who))
        };
        let places: Vec<usize> = (0..needs.len())
            .filter(|place| needs.get(*place).is_some_and(speaks_for))
            .collect();
        if places.is_empty() {
            let named: Vec<&str> = needs
                .iter()
                .flat_map(|need| &need.approvers)
                .map(String::as_str)
                .collect();
            return Err(NoVote::NotNamed(named.join(", ")));
        }
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use super::super::person::Role;
    use super::*;

    fn label(text: &str) -> Label {
        Label::new(text).unwrap()
    }

    fn need(approvals: u32, approvers: &[&str]) -> Need {
        Need {
            rule: "/r".to_owned(),
            message: None,
            approvals,
            approvers: approvers.iter().map(ToString::to_string).collect(),
        }
    }

    fn waiting(needs: Vec<Need>) -> Approval {
        Approval {
            id: "ap_1".to_owned(),
            asked: NewApproval {
                binding: "b".to_owned(),
                grant: label("ci"),
                identity: "bob@example.com".to_owned(),
                server: Name::new("s").unwrap(),
                method: "tools/call".to_owned(),
                subject: "t".to_owned(),
                params: None,
                policy: "p@1".to_owned(),
                needs,
                expires_at: Timestamp(1_000),
            },
            asked_at: Timestamp(0),
            state: State::Waiting,
            votes: Vec::new(),
            ended_at: None,
        }
    }

    fn person(name: &str, role: Role, identities: &[&str]) -> Person {
        Person {
            name: label(name),
            role,
            identities: identities.iter().map(ToString::to_string).collect(),
            has_password: true,
            has_token: false,
            created_at: Timestamp(0),
        }
    }

    fn vote(approval: &mut Approval, person: &Person, says: Says) -> Result<State, NoVote> {
        let counts_for = approval.may_vote(person, Timestamp(1))?;
        approval.votes.push(Vote {
            person: person.name.clone(),
            says,
            reason: None,
            counts_for,
            at: 1,
            taken_back: false,
        });
        approval.state = settled(&approval.asked.needs, &approval.votes);
        Ok(approval.state)
    }

    #[test]
    fn who_may_decide() {
        let approval = waiting(vec![need(1, &["ann", "sec@example.com"])]);
        let at = Timestamp(1);
        for (who, allowed) in [
            (person("ann", Role::Approver, &[]), true),
            (person("ann", Role::Admin, &[]), true),
            (person("ann", Role::Viewer, &[]), false),
            (person("ann", Role::PolicyManager, &[]), false),
            (person("eve", Role::Approver, &[]), false),
            (person("eve", Role::Approver, &["SEC@example.com"]), true),
            (person("ann", Role::Approver, &["Bob@Example.com"]), false),
            (person("bob@example.com", Role::Admin, &["ann"]), false),
        ] {
            assert_eq!(approval.may_vote(&who, at).is_ok(), allowed, "{who:?}");
        }
        let ann = person("ann", Role::Approver, &[]);
        let late = approval.may_vote(&ann, Timestamp(1_000));
        assert_eq!(late, Err(NoVote::Over(State::Expired)));
    }

    #[test]
    fn what_was_said_can_be_taken_back() {
        let (ann, bo) = (
            person("ann", Role::Approver, &[]),
            person("bo", Role::Approver, &[]),
        );
        let at = Timestamp(1);
        let mut one = waiting(vec![need(1, &[])]);
        let nothing = NoVote::NotGiven(label("ann"));
        assert_eq!(one.may_withdraw(&ann, at), Err(nothing));
        assert_eq!(vote(&mut one, &ann, Says::Approve), Ok(State::Approved));
        let others = NoVote::NotGiven(label("bo"));
        assert_eq!(one.may_withdraw(&bo, at), Err(others));
        let late = one.may_withdraw(&ann, Timestamp(1_000));
        assert_eq!(late, Err(NoVote::Over(State::Expired)));
        assert_eq!(one.may_withdraw(&ann, at), Ok(()));
        one.withdraw(&ann);
        assert_eq!((one.state, one.votes.len()), (State::Waiting, 0));
        // Whoever took it back may think again.
        assert_eq!(vote(&mut one, &ann, Says::Deny), Ok(State::Denied));
        let denied = NoVote::Over(State::Denied);
        assert_eq!(one.may_withdraw(&ann, at), Err(denied));

        let mut one = waiting(vec![need(1, &[])]);
        assert_eq!(vote(&mut one, &ann, Says::Approve), Ok(State::Approved));
        one.state = State::Used;
        let used = NoVote::Over(State::Used);
        assert_eq!(one.may_withdraw(&ann, at), Err(used));
        one.withdraw(&ann);
        // Who approved it stays known, and counts for nothing else.
        assert_eq!((one.state, one.votes.len()), (State::Used, 1));
        assert_eq!(settled(&one.asked.needs, &one.votes), State::Waiting);
        let nothing = NoVote::NotGiven(label("ann"));
        assert_eq!(one.may_withdraw(&ann, at), Err(nothing));
        one.state = State::Waiting;
        assert!(one.may_vote(&ann, at).is_ok());
    }

    #[test]
    fn each_need_wants_its_own_people_and_one_denial_denies() {
        let (ann, bo, cy) = (
            person("ann", Role::Approver, &[]),
            person("bo", Role::Approver, &[]),
            person("cy", Role::Approver, &[]),
        );
        let needs = || vec![need(2, &[]), need(1, &["cy"])];
        let mut both = waiting(needs());
        assert_eq!(vote(&mut both, &ann, Says::Approve), Ok(State::Waiting));
        let again = vote(&mut both, &ann, Says::Approve);
        assert_eq!(again, Err(NoVote::Twice(label("ann"))));
        assert_eq!(vote(&mut both, &bo, Says::Approve), Ok(State::Waiting));
        assert_eq!(vote(&mut both, &cy, Says::Approve), Ok(State::Approved));
        let mut denied = waiting(needs());
        assert_eq!(vote(&mut denied, &cy, Says::Deny), Ok(State::Denied));
        let over = vote(&mut denied, &ann, Says::Approve);
        assert_eq!(over, Err(NoVote::Over(State::Denied)));
        assert_eq!(settled(&[], &[]), State::Waiting);
    }
}
