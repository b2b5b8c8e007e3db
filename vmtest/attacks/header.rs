//! What the first comment of an attack says of it.
//!
//! | line | |
//! |---|---|
//! | `attack:` | what it tries |
//! | `stopped by:` | the hook or mechanism that does |
//! | `not stopped:` | in place of it: why it cannot be |
//! | `record:` | what its denial is recorded as; `none` where nothing of ours refuses it |
//! | `effect:` | how somebody outside sees that it worked: `reads`, `changes`, `runs`, `reaches`, `harms`, or `returns` if only it knows |
//! | `under:` | what its policy has more than that of the others: `ten thousand rules` |
//! | `twin:` | under what it must succeed: `other object` (if absent), `permitted` (another policy), `ungoverned` (no policy) |

/// What an attack that works leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// It tells the secret of its side.
    Reads,
    /// The files of its side are others than before.
    Changes,
    /// A program made a file.
    Runs,
    /// A listener of its side heard something.
    Reaches,
    /// Somebody else's process is not as before.
    Harms,
    /// Nothing that others see.
    Returns,
}

/// Where the same succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twin {
    OtherObject,
    Permitted,
    Ungoverned,
}

/// One attack.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) what: String,
    /// By what, or why not.
    pub(crate) stopped: Result<String, String>,
    /// The action of the denial.
    pub(crate) record: Option<String>,
    pub(crate) leaves: Leaves,
    pub(crate) twin: Twin,
    /// How many rules its policy has more than that of the others.
    pub(crate) more_rules: usize,
}

/// All attacks of the text that build.rs made of them.
pub(crate) fn all(text: &str) -> Result<Vec<Attack>, String> {
    text.split("=== ").skip(1).map(parse).collect()
}

fn parse(text: &str) -> Result<Attack, String> {
    let (title, text) = text.split_once('\n').unwrap_or_default();
    let (class, name) = title.split_once('/').unwrap_or_default();
    let comment = text.split("*/").next().unwrap_or_default();
    let said = |key: &str| {
        let line = comment
            .lines()
            .find_map(|line| line.strip_prefix(" * ")?.strip_prefix(key));
        line.map(|value| value.trim().to_owned())
    };
    let needed = |key: &str| said(key).ok_or_else(|| format!("{title} does not say `{key}`"));
    let stopped = match (said("stopped by:"), said("not stopped:")) {
        (Some(how), None) => Ok(how),
        (None, Some(why)) => Err(why),
        _ => return Err(format!("{title} says one of `stopped by:` and `not stopped:`")),
    };
    let leaves = match needed("effect:")?.as_str() {
        "reads" => Leaves::Reads,
        "changes" => Leaves::Changes,
        "runs" => Leaves::Runs,
        "reaches" => Leaves::Reaches,
        "harms" => Leaves::Harms,
        "returns" => Leaves::Returns,
        other => return Err(format!("{title}: no effect is called `{other}`")),
    };
    let twin = match said("twin:").as_deref() {
        None | Some("other object") => Twin::OtherObject,
        Some("permitted") => Twin::Permitted,
        Some("ungoverned") => Twin::Ungoverned,
        Some(other) => return Err(format!("{title}: no twin is called `{other}`")),
    };
    let more_rules = match said("under:").as_deref() {
        None => 0,
        Some("ten thousand rules") => 10_000,
        Some(other) => return Err(format!("{title}: nothing is called `{other}`")),
    };
    let record = if stopped.is_ok() {
        Some(needed("record:")?)
    } else {
        None
    };
    Ok(Attack {
        class: class.to_owned(),
        name: name.to_owned(),
        what: needed("attack:")?,
        stopped,
        record: record.filter(|record| record != "none"),
        leaves,
        twin,
        more_rules,
    })
}
