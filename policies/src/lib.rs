//! The policy language of aa-sensord: text to a checked policy, a policy to verdicts, explanations, and kernel tables.
//!
//! [`parse_policy`] reads and checks; [`Policy::evaluate`] judges an action by trying every rule; [`Policy::lower`] makes the tables the
//! kernel walks, and [`Lowered::evaluate`] judges by these alone. The two judges are held equal by tests here and on every kernel.
//!
//! Nothing here does I/O, spawns a task, or knows what the host can enforce.

mod action;
mod address;
mod argv;
mod check;
mod condition;
mod content;
mod data;
mod deputies;
mod diagnostic;
mod diff;
mod evaluate;
mod expect;
mod explain;
mod facts;
mod gaps;
#[cfg(any(test, feature = "generate"))]
pub mod generate;
mod glob;
mod host;
mod hours;
mod judge;
mod labels;
mod learn;
mod lower;
mod model;
mod money;
mod names;
mod packs;
mod policy;
mod prices;
mod print;
mod privileges;
mod rate;
mod request;
mod rule;
mod schema;
mod special;
mod spend;
mod syntax;
#[cfg(test)]
mod tests;
mod tool;
mod trees;
mod unrecorded;
mod verdict;
mod warnings;
mod witness;

pub use action::{Action, ExecAction, ProgramKind, Protocol};
pub use address::{canonical, destination};
pub use check::{parse_action, parse_policy};
pub use content::ContentHash;
pub use data::DATA_CLASSES;
pub use diagnostic::{Code, Diagnostic, Diagnostics, Severity, Span};
pub use diff::{Change, Difference, Setting, Side, diff, settings};
pub use explain::Explanation;
pub use facts::Facts;
pub use gaps::Gap;
pub use host::{HostName, HostNameError};
pub use hours::Hours;
pub use judge::{Judgement, combine_exec, with_content};
pub use labels::{CarriedKind, MAX_LABELS};
pub use learn::{Learned, Learning};
pub use lower::{
    AddressEntry, Automaton, HostClass, HostClassId, HostTable, Limits, Listing, LowerError, Lowered, LoweredRate,
    LoweredRule, LoweredSelector, PortRange, State,
};
pub use money::Money;
pub use packs::{pack, packs};
pub use policy::{
    Approver, Asking, Environment, ExecSelector, Mode, OnGap, Policy, Scope, ScopeLevel, SectionDefaults, Selector,
};
pub use prices::{Cost, Prices, Usage};
pub use privileges::Privilege;
pub use rate::{RateClass, RateLimit};
pub use request::{FarEnd, HttpAction};
pub use rule::{Rule, RuleKind, Section};
pub use schema::schema;
pub use special::special_purpose;
pub use spend::{SpendLimit, SpendUnit, SpendWindow, Spending};
pub use tool::{Risk, ToolAction};
pub use trees::{Extent, Place, Trees};
pub use unrecorded::Unrecorded;
pub use verdict::{Decision, PathDecision, RuleId, Verdict};
