//! `when`: conditions of rules, in the Common Expression Language (<https://github.com/google/cel-spec>), over typed facts.
//!
//! A condition holds, does not hold, or cannot be told: where a fact is missing or of another type than the condition needs. What cannot be
//! told matches where the rule asks or denies, and does not where it allows.
//!
//! Policies are trusted, facts are not: what an agent says decides how long lists are, never how deep they are gone through. An
//! evaluation is bounded by [`NODES`](crate::facts::NODES) to the power of [`LOOPS`].

use crate::check::nearest;
use crate::diagnostic::{Code, Complaint};
use crate::facts::{FACTS, Facts};
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::parser::PrattParser;
use cel::{Context, Env, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

/// The longest condition, bytes.
const LONGEST: usize = 2048;
/// Calls and operators in one another: each costs stack where it is evaluated.
const DEPTH: u16 = 48;
/// Parts of one, what macros become included.
const PARTS: usize = 512;
/// `all`, `exists`, `map` and `filter` in one another.
const LOOPS: usize = 2;

/// Functions and macros of the standard (language definition, Standard Definitions) that this evaluator has.
const FUNCTIONS: [&str; 19] = [
    "all",
    "bool",
    "bytes",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "exists",
    "exists_one",
    "filter",
    "has",
    "int",
    "map",
    "matches",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition, read.
#[derive(Clone)]
pub(crate) struct Condition {
    text: String,
    expression: Arc<IdedExpr>,
    /// The facts it looks at.
    facts: BTreeSet<String>,
}

/// By their words: equal text is an equal expression.
impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.text)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What the facts say of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// A fact is missing, or is not what the condition takes it for.
    Unknown,
}

impl Condition {
    pub(crate) fn parse(text: &str) -> Result<Self, Complaint> {
        let complaint = |message: String| Complaint::new(Code::Condition, message);
        if text.len() > LONGEST {
            return Err(complaint(format!("the condition is longer than {LONGEST} bytes")).hint("write several rules"));
        }
        if text.trim().is_empty() {
            return Err(complaint("the condition is empty".to_owned()).hint("leave `when` out, or name a fact"));
        }
        let parser = PrattParser::new()
            .max_recursion_depth(DEPTH)
            .max_expression_node_count(PARTS)
            .error_recovery_limit(0);
        let expression = parser.parse(text).map_err(|errors| {
            let first = errors.errors.first();
            let message = first.map_or("it cannot be read", |error| error.msg.as_str());
            complaint(format!("`{text}` is not a condition"))
                .cause(message)
                .hint("conditions are CEL: `args.path.startsWith(\"/srv\") && args.size < 100`")
        })?;
        let mut uses = Uses::default();
        uses.visit(&expression, 0);
        uses.check()?;
        Ok(Self {
            text: text.to_owned(),
            expression: Arc::new(expression),
            facts: uses.facts.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// The facts it looks at that are not among these.
    pub(crate) fn beyond<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let facts = self.facts.iter().map(String::as_str);
        facts.filter(|fact| !known.contains(fact))
    }

    /// What the facts say. Nothing of them is in any error that is kept.
    pub(crate) fn holds(&self, facts: &Facts) -> Holds {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for (name, value) in facts.iter() {
            context.add_variable_from_value(name, value.clone());
        }
        // Facts are an agent's: should the evaluator ever fail on some, no more comes of it than that.
        let resolved = catch_unwind(AssertUnwindSafe(|| Value::resolve(&self.expression, &context)));
        match resolved {
            Ok(Ok(Value::Bool(true))) => Holds::Yes,
            Ok(Ok(Value::Bool(false))) => Holds::No,
            Ok(Ok(_) | Err(_)) | Err(_) => Holds::Unknown,
        }
    }
}

/// What an expression uses.
#[derive(Default)]
struct Uses {
    /// Facts, with the field of them if one is named.
    facts: BTreeSet<(String, Option<String>)>,
    functions: BTreeSet<String>,
    /// Names that macros give, innermost last.
    bound: Vec<String>,
    loops: usize,
    parts: usize,
    /// How deep what is being visited is, and the most that was.
    depth: (u16, u16),
    has_messages: bool,
}

impl Uses {
    fn visit(&mut self, expression: &IdedExpr, loops: usize) {
        self.parts += 1;
        self.loops = self.loops.max(loops);
        self.depth.0 += 1;
        self.depth.1 = self.depth.1.max(self.depth.0);
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.fact(name, None),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) => self.fact(name, Some(&select.field)),
                _ => self.visit(&select.operand, loops),
            },
            Expr::Call(call) => {
                if call.func_name.starts_with(char::is_alphabetic) {
                    self.functions.insert(call.func_name.clone());
                }
                call.target.iter().for_each(|target| self.visit(target, loops));
                call.args.iter().for_each(|argument| self.visit(argument, loops));
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element, loops)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, loops)),
            Expr::Struct(message) => {
                self.has_messages = true;
                message.entries.iter().for_each(|entry| self.entry(&entry.expr, loops));
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, loops);
                self.visit(&comprehension.accu_init, loops);
                let before = self.bound.len();
                self.bound.push(comprehension.iter_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.bound.push(comprehension.accu_var.clone());
                for part in [
                    &comprehension.loop_cond,
                    &comprehension.loop_step,
                    &comprehension.result,
                ] {
                    self.visit(part, loops + 1);
                }
                self.bound.truncate(before);
            }
        }
        self.depth.0 -= 1;
    }

    fn entry(&mut self, entry: &EntryExpr, loops: usize) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value, loops),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key, loops);
                self.visit(&entry.value, loops);
            }
        }
    }

    fn fact(&mut self, name: &str, field: Option<&str>) {
        if !self.bound.iter().any(|bound| bound == name) {
            self.facts.insert((name.to_owned(), field.map(str::to_owned)));
        }
    }

    fn check(&self) -> Result<(), Complaint> {
        let complaint = |message: String| Complaint::new(Code::Condition, message);
        if self.parts > PARTS {
            return Err(complaint(format!("the condition has more than {PARTS} parts")).hint("write several rules"));
        }
        if self.depth.1 > DEPTH {
            return Err(complaint(format!("the condition is deeper than {DEPTH} levels"))
                .cause("a long sum or chain of `&&` is a level for each of its parts")
                .hint("write several rules"));
        }
        if self.loops > LOOPS {
            return Err(
                complaint("the condition goes through lists in lists in lists".to_owned())
                    .cause("an agent decides how long they are")
                    .hint(format!(
                        "no more than {LOOPS} of `all`, `exists`, `map`, `filter` in one another"
                    )),
            );
        }
        if self.has_messages {
            return Err(complaint("a condition makes no messages".to_owned()).hint("compare fields one by one"));
        }
        for function in &self.functions {
            if !FUNCTIONS.contains(&function.as_str()) {
                let unknown = complaint(format!("no condition has a function `{function}`"));
                return Err(match nearest(function, FUNCTIONS.into_iter()) {
                    Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                    None => unknown.hint(FUNCTIONS.join(", ")),
                });
            }
        }
        self.facts
            .iter()
            .try_for_each(|(name, field)| known_fact(name, field.as_deref()))
    }
}

fn known_fact(name: &str, field: Option<&str>) -> Result<(), Complaint> {
    let complaint = |message: String| Complaint::new(Code::Condition, message);
    let Some((_, fields)) = FACTS.into_iter().find(|(fact, _)| *fact == name) else {
        let unknown = complaint(format!("there is no fact `{name}`"));
        let names = || FACTS.into_iter().map(|(fact, _)| fact);
        return Err(match nearest(name, names()) {
            Some(near) => unknown.hint(format!("did you mean `{near}`?")),
            None => unknown.hint(format!("the facts are {}", names().collect::<Vec<_>>().join(", "))),
        });
    };
    match field {
        Some(field) if !fields.is_empty() && !fields.contains(&field) => {
            let unknown = complaint(format!("`{name}` has no `{field}`"));
            Err(match nearest(field, fields.iter().copied()) {
                Some(near) => unknown.hint(format!("did you mean `{name}.{near}`?")),
                None => unknown.hint(format!("it has {}", fields.join(", "))),
            })
        }
        _ => Ok(()),
    }
}
