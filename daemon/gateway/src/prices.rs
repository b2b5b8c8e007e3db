//! The prices of models in use: the operator's before those that ship.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use aa_policy::Prices;
use aa_wire::Event;
use aa_wire::event::Effect;

use crate::gateway::Gateway;
use crate::loading::read_text;

/// Those in use, shared with the plaintext thread.
#[derive(Clone, Debug)]
pub(crate) struct SharedPrices(Arc<Mutex<Arc<Prices>>>);

impl Default for SharedPrices {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Arc::new(Prices::shipped()))))
    }
}

impl SharedPrices {
    pub(crate) fn get(&self) -> Arc<Prices> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the operator's. A file that is not there leaves those that ship; of one that is wrong nothing is used, and those before go on.
    /// The day of the operator's, or what is wrong.
    fn read(&self, path: &Path) -> Result<Option<String>, String> {
        let text = match read_text(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error.to_string()),
        };
        let own = text.map(|text| Prices::parse(&text, &path.display().to_string()));
        let own = own.transpose().map_err(|errors| errors.to_string())?;
        let dated = own.as_ref().map(|own| own.dated().to_owned());
        let prices = match own {
            Some(own) => own.before(Prices::shipped()),
            None => Prices::shipped(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(prices);
        Ok(dated)
    }
}

impl Gateway {
    /// Takes up the operator's prices, and records what came of it.
    pub(crate) fn read_prices(&self) {
        let path = &self.settings.prices;
        let (effect, detail) = match self.prices.read(path) {
            Ok(None) => return,
            Ok(Some(dated)) => (Effect::Allowed, format!("{}, dated {dated}", path.display())),
            Err(why) => (
                Effect::Denied,
                format!("{} is not used, those before go on: {}", path.display(), why.trim_end()),
            ),
        };
        self.record(Event::lifecycle("prices", effect, detail));
    }
}

#[cfg(test)]
mod tests {
    use aa_policy::{Money, Usage};

    use super::*;

    #[test]
    fn the_operators_prices_are_used_while_they_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, prices) = (folder.path().join("prices.yaml"), SharedPrices::default());
        let usage = Usage {
            input: 1,
            ..Usage::default()
        };
        let cost = || prices.get().cost("our-model", &usage);
        assert_eq!(prices.read(&file), Ok(None));
        assert!(!cost().is_listed);
        let own = "dated: 2026-01-31\nmodels: {\"our-*\": {input: $7, output: $9}}\n";
        std::fs::write(&file, own).unwrap();
        assert_eq!(prices.read(&file), Ok(Some("2026-01-31".to_owned())));
        assert_eq!((cost().dollars, cost().is_listed), (Money(7), true));
        std::fs::write(&file, own.replace("$7", "7")).unwrap();
        assert!(prices.read(&file).unwrap_err().contains("`7` is no sum of dollars"));
        assert_eq!(cost().dollars, Money(7));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(prices.read(&file), Ok(None));
        assert!(!cost().is_listed);
    }
}
