//! `$work`, `$home`, `$run` and the names of `let`.

use crate::diagnostic::{Code, Complaint};
use crate::glob;
use crate::policy::Environment;
use std::collections::BTreeMap;

/// What each name stands for: as a pattern and as plain text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    values: BTreeMap<String, Meaning>,
}

#[derive(Debug, Clone)]
struct Meaning {
    pattern: String,
    plain: String,
}

impl Names {
    pub(crate) fn new(environment: &Environment) -> Self {
        let mut names = Self::default();
        let given = [("home", &environment.home), ("run", &environment.run)];
        for (name, value) in given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
        {
            names.give(name, value);
        }
        for (name, value) in &environment.lets {
            names.give(name, value);
        }
        names
    }

    fn give(&mut self, name: &str, value: &str) {
        let plain = value.trim_end_matches('/').to_owned();
        self.values.insert(
            name.to_owned(),
            Meaning {
                pattern: glob::escape(&plain),
                plain,
            },
        );
    }

    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Takes up a `let` of the policy, whose value may use names and patterns.
    pub(crate) fn define(&mut self, name: &str, value: &str) -> Result<(), Complaint> {
        let value = if value.len() > 1 {
            value.trim_end_matches('/')
        } else {
            value
        };
        let meaning = Meaning {
            pattern: self.pattern(value)?,
            plain: self.plain(value)?,
        };
        self.values.insert(name.to_owned(), meaning);
        Ok(())
    }

    /// Substitutes in a pattern.
    pub(crate) fn pattern(&self, text: &str) -> Result<String, Complaint> {
        self.substitute(text, |meaning| meaning.pattern.clone())
    }

    /// Substitutes in words as a shell would read them.
    pub(crate) fn words(&self, text: &str) -> Result<String, Complaint> {
        self.substitute(text, |meaning| {
            meaning
                .plain
                .chars()
                .flat_map(|c| [Some('\\').filter(|_| " \t'\"\\".contains(c)), Some(c)])
                .flatten()
                .collect()
        })
    }

    /// Substitutes as it is.
    pub(crate) fn plain(&self, text: &str) -> Result<String, Complaint> {
        self.substitute(text, |meaning| meaning.plain.clone())
    }

    fn substitute(&self, text: &str, choose: impl Fn(&Meaning) -> String) -> Result<String, Complaint> {
        let mut result = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\\' {
                result.push(c);
                result.extend(chars.next());
                continue;
            }
            if c != '$' {
                result.push(c);
                continue;
            }
            let mut name = String::new();
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                name.push(c);
            }
            match self.values.get(&name) {
                Some(meaning) => result.push_str(&choose(meaning)),
                None => return Err(self.undefined(&name)),
            }
        }
        Ok(result)
    }

    fn undefined(&self, name: &str) -> Complaint {
        if name.is_empty() {
            return Complaint::new(Code::Undefined, "a `$` without a name").hint("a literal dollar is written `\\$`");
        }
        let complaint = Complaint::new(Code::Undefined, format!("nothing defines `${name}`"));
        let near = crate::check::nearest(name, self.values.keys().map(String::as_str));
        match (near, name) {
            (_, "home" | "run") => complaint
                .cause("it depends on the user the agents run as, who is not known here")
                .hint(format!(
                    "give it on the command line (`--let {name}=/...`), or write the path"
                )),
            (Some(near), _) => complaint.hint(format!("did you mean `${near}`?")),
            (None, _) => complaint.hint(format!(
                "add `let: {{{name}: /...}}`; a literal dollar is written `\\$`"
            )),
        }
    }
}
