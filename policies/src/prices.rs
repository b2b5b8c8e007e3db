//! What calls of models cost.

use std::cmp::Reverse;

use crate::check::{mapping, require, text, unknown_key};
use crate::diagnostic::{Code, Diagnostics, Report};
use crate::model::ModelPattern;
use crate::money::Money;
use crate::syntax::{self, Entry, Node};

/// The prices that ship.
const SHIPPED: &str = include_str!("../prices.yaml");
const MILLION: u128 = 1_000_000;

/// Tokens of one call. No token counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was asked, beyond the next two.
    pub input: u64,
    /// Input that the provider had in its cache.
    pub cache_read: u64,
    /// Input that it wrote there.
    pub cache_write: u64,
    /// What was answered, thinking too.
    pub output: u64,
}

/// Dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Price {
    input: Money,
    output: Money,
    cache_read: Money,
    cache_write: Money,
}

impl Price {
    /// Rounded up.
    fn of(&self, usage: &Usage) -> Money {
        let part = |tokens: u64, price: Money| u128::from(tokens) * u128::from(price.0);
        let all = part(usage.input, self.input)
            + part(usage.cache_read, self.cache_read)
            + part(usage.cache_write, self.cache_write)
            + part(usage.output, self.output);
        Money(u64::try_from(all.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }

    fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    pattern: ModelPattern,
    price: Price,
    /// Of more input than so many tokens.
    long: Option<(u64, Price)>,
}

impl Listed {
    fn price(&self, usage: &Usage) -> Price {
        let input = [usage.cache_read, usage.cache_write]
            .into_iter()
            .fold(usage.input, u64::saturating_add);
        match self.long {
            Some((over, price)) if input > over => price,
            _ => self.price,
        }
    }
}

/// A list of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    dated: String,
    /// Those that are asked first stand first: an operator's before those that ship, the most specific of each before others.
    listed: Vec<Listed>,
    dearest: Price,
}

/// What a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Rounded up to a millionth.
    pub dollars: Money,
    /// A price is listed for the model; else it is that of the dearest.
    pub is_listed: bool,
}

impl Prices {
    /// Those that ship. Empty if they cannot be read, which a test excludes.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED, "prices.yaml").unwrap_or(Self {
            dated: String::new(),
            listed: Vec::new(),
            dearest: Price::default(),
        })
    }

    /// Reads `dated` and `models`, or says all that is wrong with them.
    pub fn parse(source: &str, file_name: &str) -> Result<Self, Diagnostics> {
        let mut report = Report::new(file_name, source);
        let mut prices = Self {
            dated: String::new(),
            listed: Vec::new(),
            dearest: Price::default(),
        };
        let root = syntax::parse(source, &mut report);
        if let Some(root) = &root
            && let Some(entries) = mapping(root, "a list of prices", &mut report)
        {
            for entry in entries {
                match entry.key.as_str() {
                    "dated" => prices.dated = day(&entry.node, &mut report).unwrap_or_default(),
                    "models" => prices.listed = models(&entry.node, &mut report),
                    _ => unknown_key(entry, &["dated", "models"], &[], &mut report),
                }
            }
            let needed = [("dated", "add `dated: 2026-01-31`"), ("models", "add `models: {}`")];
            require(root, entries, &needed, &mut report);
        }
        if !report.is_clean() {
            return Err(report.finish());
        }
        prices
            .listed
            .sort_by_key(|listed| Reverse(listed.pattern.specificity()));
        let all = prices
            .listed
            .iter()
            .flat_map(|listed| [Some(listed.price), listed.long.map(|(_, price)| price)]);
        prices.dearest = all.flatten().fold(Price::default(), Price::dearer);
        Ok(prices)
    }

    /// These, and where they name nothing the others.
    #[must_use]
    pub fn before(mut self, others: Self) -> Self {
        self.listed.extend(others.listed);
        self.dearest = self.dearest.dearer(others.dearest);
        self
    }

    /// The day they were true, `YYYY-MM-DD`.
    pub fn dated(&self) -> &str {
        &self.dated
    }

    /// What a call costs at most that any of these models may answer, whatever of its input is written to a cache or read from one.
    /// None named is any.
    pub fn at_most(&self, models: &[impl AsRef<str>], input: u64, output: u64) -> Money {
        let ways = [(input, 0, 0), (0, input, 0), (0, 0, input)].map(|(input, cache_read, cache_write)| Usage {
            input,
            cache_read,
            cache_write,
            output,
        });
        let dearest = |model: &str| ways.iter().map(|usage| self.cost(model, usage).dollars).max();
        let each = models.iter().filter_map(|model| dearest(model.as_ref()));
        let any = ways.iter().map(|usage| self.dearest.of(usage)).max();
        each.max().or(any).unwrap_or_default()
    }

    /// What a call of a model costs.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        let listed = self.listed.iter().find(|listed| listed.pattern.matches(model));
        let price = listed.map_or(self.dearest, |listed| listed.price(usage));
        Cost {
            dollars: price.of(usage),
            is_listed: listed.is_some(),
        }
    }
}

fn day(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let day = text(node, "`dated`", report)?;
    let shape: String = day.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00" {
        report
            .error(Code::Value, node.span, format!("`{day}` is not a day"))
            .hint("`2026-01-31`");
    }
    Some(day.to_owned())
}

fn models(node: &Node, report: &mut Report<'_>) -> Vec<Listed> {
    let entries = mapping(node, "`models`", report).unwrap_or_default();
    let mut listed = Vec::new();
    for entry in entries {
        let found = price(&entry.node, true, report);
        match (ModelPattern::parse(&entry.key), found) {
            (Ok(pattern), Some((price, long))) => listed.push(Listed { pattern, price, long }),
            (Err(complaint), _) => complaint.report(report, entry.span),
            (Ok(_), None) => {}
        }
    }
    listed
}

const KEYS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

/// `{input: $3, output: $15, cache_read: $0.30, cache_write: $3.75, long: {over: 200000, ...}}`
fn price(node: &Node, may_be_long: bool, report: &mut Report<'_>) -> Option<(Price, Option<(u64, Price)>)> {
    let entries = mapping(node, "a price", report)?;
    let mut amounts: [Option<Money>; 4] = [None; 4];
    let mut long = None;
    for entry in entries {
        let known = KEYS.iter().position(|key| *key == entry.key);
        match known.and_then(|place| amounts.get_mut(place)) {
            Some(amount) => *amount = Some(money(entry, report)?),
            None if entry.key == "long" && may_be_long => {
                let (price, _) = price(&entry.node, false, report)?;
                long = Some((over(&entry.node, report)?, price));
            }
            None if entry.key == "over" && !may_be_long => {}
            None => {
                let known = if may_be_long { "long" } else { "over" };
                unknown_key(entry, &[&KEYS[..], &[known]].concat(), &[], report);
            }
        }
    }
    let needed = [
        ("input", "for a million tokens: `input: $3`"),
        ("output", "for a million tokens: `output: $15`"),
    ];
    require(node, entries, &needed, report);
    let [input, output, cache_read, cache_write] = amounts;
    let price = Price {
        input: input?,
        output: output?,
        cache_read: cache_read.or(input)?,
        cache_write: cache_write.or(input)?,
    };
    Some((price, long))
}

fn money(entry: &Entry, report: &mut Report<'_>) -> Option<Money> {
    let written = text(&entry.node, &format!("`{}`", entry.key), report)?;
    let money = Money::parse(written);
    if money.is_none() {
        report
            .error(
                Code::Value,
                entry.node.span,
                format!("`{written}` is no sum of dollars"),
            )
            .hint("`$3` or `$0.075`, at most six digits behind the point");
    }
    money
}

fn over(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let entries = mapping(node, "`long`", report)?;
    require(node, entries, &[("over", "tokens of input: `over: 200000`")], report);
    let entry = entries.iter().find(|entry| entry.key == "over")?;
    let written = text(&entry.node, "`over`", report)?;
    let tokens = written.parse().ok();
    if tokens.is_none() {
        report
            .error(
                Code::Value,
                entry.node.span,
                format!("`{written}` is no number of tokens"),
            )
            .hint("`over: 200000`");
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            input,
            output,
            ..Usage::default()
        }
    }

    #[test]
    fn what_ships_is_read_and_its_patterns_mean_what_they_should() {
        let prices = Prices::parse(SHIPPED, "prices.yaml").unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(prices, Prices::shipped());
        assert_eq!(prices.dated(), "2025-11-24");
        let million = |model: &str| prices.cost(model, &usage(1_000, 1_000));
        for (model, thousandths) in [
            ("claude-opus-4-5-20251101", 30_000),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", 90_000),
            ("anthropic/claude-sonnet-4.5", 18_000),
            ("claude-3-5-sonnet-20241022", 18_000),
            ("claude-3-5-haiku-latest", 4_800),
            ("gpt-5-2025-08-07", 11_250),
            ("gpt-5-mini", 2_250),
            ("openai/gpt-5-nano", 450),
            ("gpt-5.1-codex-mini", 2_250),
            ("gpt-4o-mini-2024-07-18", 750),
            ("o3-mini", 5_500),
            ("models/gemini-2.5-flash-lite", 500),
            ("gemini-2.5-flash", 2_800),
        ] {
            let cost = million(model);
            assert_eq!((cost.dollars, cost.is_listed), (Money(thousandths), true), "{model}");
        }
    }

    #[test]
    fn what_no_price_names_is_as_dear_as_the_dearest() {
        let prices = Prices::shipped();
        let cost = prices.cost("unheard-of", &usage(1_000_000, 1_000_000));
        assert_eq!((cost.dollars, cost.is_listed), (Money(20_000_000 + 120_000_000), false));
        for listed in &prices.listed {
            let all = Usage {
                input: 10,
                cache_read: 10,
                cache_write: 10,
                output: 10,
            };
            assert!(listed.price(&all).of(&all) <= prices.cost("unheard-of", &all).dollars);
        }
    }

    #[test]
    fn cache_and_long_input_have_prices_of_their_own_and_nothing_is_rounded_down() {
        let text = "dated: 2026-01-31\nmodels:\n  \"m*\": {input: $3, output: $15, cache_read: $0.30, long: {over: 200, input: $6, output: $20}}\n";
        let prices = Prices::parse(text, "p").unwrap_or_else(|errors| panic!("{errors}"));
        let cost = |input, cache_read, cache_write, output| {
            let usage = Usage {
                input,
                cache_read,
                cache_write,
                output,
            };
            prices.cost("m1", &usage).dollars
        };
        assert_eq!(cost(100, 10, 10, 10), Money(300 + 3 + 30 + 150));
        assert_eq!(cost(0, 1, 0, 0), Money(1));
        assert_eq!(cost(201, 0, 0, 1), Money(1206 + 20));
        assert_eq!(cost(100, 101, 0, 0), Money(600 + 606));
        assert_eq!(cost(u64::MAX, u64::MAX, 0, 0), Money(u64::MAX));
    }

    #[test]
    fn at_most_a_call_costs_what_the_dearest_way_of_the_dearest_model_does() {
        let text = "dated: 2026-01-31\nmodels:\n  a: {input: $3, output: $15, cache_write: $6}\n  b: {input: $1, output: $50, long: {over: 100, input: $20, output: $60}}\n";
        let prices = Prices::parse(text, "p").unwrap();
        let most = |models: &[&str], input, output| prices.at_most(models, input, output).0;
        assert_eq!(most(&["a"], 10, 2), 60 + 30);
        assert_eq!(most(&["a", "b"], 10, 2), 10 + 100);
        assert_eq!(most(&["b"], 101, 1), 2020 + 60);
        assert_eq!(most(&["unheard-of"], 1, 1), 20 + 60);
        assert_eq!(most(&[], 1, 1), most(&["unheard-of"], 1, 1));
        assert_eq!(most(&["a"], u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn an_operators_prices_come_before_those_that_ship() {
        let own = Prices::parse("dated: 2026-01-31\nmodels:\n  \"*\": {input: $1, output: $1}\n", "own").unwrap();
        let all = own.clone().before(Prices::shipped());
        assert_eq!(
            (all.dated(), all.cost("gpt-5", &usage(1, 1)).dollars),
            ("2026-01-31", Money(2))
        );
        let some = Prices::parse(
            "dated: 2026-01-31\nmodels: {\"our-*\": {input: $900, output: $1}}\n",
            "own",
        )
        .unwrap();
        let all = some.before(Prices::shipped());
        assert!(all.cost("gpt-5", &usage(1, 1)).is_listed);
        assert_eq!(all.cost("unheard-of", &usage(1, 0)).dollars, Money(900));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, message) in [
            ("dated: today\nmodels: {}", "`today` is not a day"),
            ("models: {}", "`dated` is missing"),
            ("dated: 2026-01-31", "`models` is missing"),
            (
                "dated: 2026-01-31\nmodels: {x: {input: 3, output: $1}}",
                "`3` is no sum of dollars",
            ),
            ("dated: 2026-01-31\nmodels: {x: {output: $1}}", "`input` is missing"),
            (
                "dated: 2026-01-31\nmodels: {x: {inptu: $1}}",
                "no policy has a key `inptu` here",
            ),
            (
                "dated: 2026-01-31\nmodels: {\"a b\": {input: $1, output: $1}}",
                "no model has ` ` in its name",
            ),
            (
                "dated: 2026-01-31\nmodels: {x: {input: $1, output: $1, long: {input: $1, output: $1}}}",
                "`over` is missing",
            ),
            ("dated: 2026-01-31\nmodels: []", "`models` is a mapping"),
        ] {
            let errors = Prices::parse(text, "p.yaml").unwrap_err().to_string();
            assert!(errors.contains(message), "{text}: {errors}");
        }
    }
}
