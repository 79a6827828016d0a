//! Which policy's counters: that of the policy in force, or of its shadow.

/// INVARIANT: counters of the two sides have nothing in common, not even their room
/// (`a_shadow_changes_nothing_that_can_be_seen`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    InForce,
    /// What a policy would have charged that is being tried and answers nothing.
    Shadow,
}

/// One of each side.
#[derive(Debug, Default)]
pub(super) struct Both<T> {
    pub(super) in_force: T,
    pub(super) shadow: T,
}

impl<T> Both<T> {
    pub(super) const fn of(&self, side: Side) -> &T {
        match side {
            Side::InForce => &self.in_force,
            Side::Shadow => &self.shadow,
        }
    }

    pub(super) const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::InForce => &mut self.in_force,
            Side::Shadow => &mut self.shadow,
        }
    }
}
