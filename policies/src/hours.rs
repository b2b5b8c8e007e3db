//! `hours`: at which times a policy lets nothing happen. By wall clock in named time zones.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::fmt;
use std::time::{Duration, SystemTime};

/// How far ahead a change is looked for: every day of the week and both days of an overnight window are in it.
const HORIZON_MINUTES: i64 = 9 * 24 * 60;
const DAY: u16 = 24 * 60;
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// From one time of day to another, on some days, in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Minutes of the day; the first is in it, the last is not. Overnight where `to` is not later.
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) zone: TimeZone,
}

impl Window {
    /// `22:00-06:00 Europe/Berlin`; what is wrong with it otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (times, zone) = text.split_once(' ').ok_or("the time zone is missing")?;
        let (from, to) = times.split_once('-').ok_or("it is not FROM-TO")?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == to || from == DAY {
            return Err(format!("`{times}` is no time at all"));
        }
        let zone = zone.trim();
        let zone = TimeZone::get(zone).map_err(|_| format!("there is no time zone `{zone}`"))?;
        Ok(Self { from, to, zone })
    }

    fn holds(&self, at: Timestamp, days: &[Weekday]) -> bool {
        let local: DateTime = self.zone.to_datetime(at);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = local.date().weekday();
        if self.from < self.to {
            return (self.from..self.to).contains(&minute) && days.contains(&today);
        }
        (minute >= self.from && days.contains(&today)) || (minute < self.to && days.contains(&today.previous()))
    }
}

/// `6:30`, `06:30`, `24:00`
fn minute(text: &str) -> Result<u16, String> {
    let wrong = || format!("`{text}` is not a time of day");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |text: &str, least: usize| {
        let plain = (least..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u16>().ok()).flatten()
    };
    match (digits(hours, 1), digits(minutes, 2)) {
        (Some(hours), Some(minutes)) if minutes < 60 && hours * 60 + minutes <= DAY => Ok(hours * 60 + minutes),
        _ => Err(wrong()),
    }
}

/// When a policy is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    /// The windows are when it is open; else, when it is closed.
    pub(crate) opens: bool,
    pub(crate) windows: Vec<Window>,
    /// On which a window begins.
    pub(crate) days: Vec<Weekday>,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|minute| format!("{:02}:{:02}", minute / 60, minute % 60));
        write!(f, "{from}-{to} {}", self.zone.iana_name().unwrap_or("UTC"))
    }
}

/// When it is closed, in words.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<String> = self.windows.iter().map(Window::to_string).collect();
        let outside = if self.opens { "outside of " } else { "" };
        write!(f, "{outside}{}", windows.join(", "))?;
        match &*self.day_names() {
            days if days.len() < 7 => write!(f, " ({})", days.join(", ")),
            _ => Ok(()),
        }
    }
}

impl Hours {
    /// The days as in policies, each once.
    pub(crate) fn day_names(&self) -> Vec<&'static str> {
        let on = |(place, name): (usize, &&'static str)| {
            let on = |day: &Weekday| usize::try_from(day.to_monday_zero_offset()) == Ok(place);
            self.days.iter().any(on).then_some(*name)
        };
        DAY_NAMES.iter().enumerate().filter_map(on).collect()
    }

    /// Whether what the policy allows is allowed at this time.
    pub fn is_open(&self, at: SystemTime) -> bool {
        // A time no calendar has is none at which anything was allowed.
        Timestamp::try_from(at).is_ok_and(|at| self.open_at(at))
    }

    fn open_at(&self, at: Timestamp) -> bool {
        self.windows.iter().any(|window| window.holds(at, &self.days)) == self.opens
    }

    /// How long from this time on it stays as it is: the next full minute at which it changes, or nine days if it does
    /// not. Every minute is looked at by the wall clock, so that the hours a clock shows twice or never are judged as
    /// those it shows.
    pub fn stays(&self, at: SystemTime) -> Duration {
        let Ok(now) = Timestamp::try_from(at) else {
            return Duration::ZERO;
        };
        let open = self.open_at(now);
        let past = now.as_second().rem_euclid(60);
        let changes = (0..HORIZON_MINUTES).find_map(|minutes| {
            let next = now.checked_add((60 - past + minutes * 60).seconds()).ok()?;
            let next = Timestamp::from_second(next.as_second()).ok()?;
            (self.open_at(next) != open).then_some(next)
        });
        let until = changes.map_or(HORIZON_MINUTES * 60, |change| change.as_second() - now.as_second());
        Duration::from_secs(until.unsigned_abs())
    }
}

/// `mon`, or `mon-fri`, also over the end of the week.
pub(crate) fn days(text: &str) -> Option<Vec<Weekday>> {
    let day = |name: &str| {
        let place = DAY_NAMES.iter().position(|known| *known == name)?;
        Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
    };
    let Some((first, last)) = text.split_once('-') else {
        return Some(vec![day(text)?]);
    };
    let (first, last) = (day(first)?, day(last)?);
    let mut days = vec![first];
    while *days.last()? != last {
        days.push(days.last()?.next());
    }
    Some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(opens: bool, windows: &[&str], on: &str) -> Hours {
        Hours {
            opens,
            windows: windows.iter().map(|text| Window::parse(text).unwrap()).collect(),
            days: days(on).unwrap(),
        }
    }

    fn at(text: &str) -> SystemTime {
        text.parse::<jiff::Zoned>().unwrap().timestamp().into()
    }

    #[test]
    fn an_overnight_window_belongs_to_the_day_it_begins_on() {
        let nights = hours(false, &["22:00-06:00 Europe/Berlin"], "mon-fri");
        for (time, open) in [
            ("2026-11-20T21:59:59[Europe/Berlin]", true),
            ("2026-11-20T22:00:00[Europe/Berlin]", false), // Friday
            ("2026-11-21T05:59:59[Europe/Berlin]", false),
            ("2026-11-21T06:00:00[Europe/Berlin]", true),
            ("2026-11-21T23:00:00[Europe/Berlin]", true), // Saturday
            ("2026-11-23T03:00:00[Europe/Berlin]", true), // the night of Sunday
            ("2026-11-20T21:30:00[UTC]", false),
        ] {
            assert_eq!(nights.is_open(at(time)), open, "{time}");
        }
        assert_eq!(
            nights.stays(at("2026-11-20T21:58:30[Europe/Berlin]")),
            Duration::from_secs(90)
        );
        assert_eq!(
            nights.stays(at("2026-11-20T22:00:00[Europe/Berlin]")),
            Duration::from_secs(8 * 3600)
        );
    }

    #[test]
    fn daylight_saving_moves_the_window_with_the_clock_on_the_wall() {
        let mornings = hours(true, &["08:00-18:00 Europe/Berlin"], "mon-sun");
        assert!(mornings.is_open(at("2026-07-01T06:00:00[UTC]")) && !mornings.is_open(at("2026-12-01T06:30:00[UTC]")));
        // 2026-10-25: 02:30 comes twice, and 2026-03-29 never.
        let small = hours(false, &["02:15-02:45 Europe/Berlin"], "mon-sun");
        for (time, open) in [
            ("2026-10-25T00:30:00[UTC]", false),
            ("2026-10-25T01:00:00[UTC]", true),
            ("2026-10-25T01:30:00[UTC]", false),
            ("2026-03-29T01:20:00[UTC]", true),
        ] {
            assert_eq!(small.is_open(at(time)), open, "{time}");
        }
    }

    #[test]
    fn hours_that_never_change_stay_for_the_horizon() {
        let always = hours(false, &["00:00-24:00 UTC"], "mon-sun");
        assert!(!always.is_open(at("2026-11-21T00:00:00[UTC]")));
        assert_eq!(
            always.stays(at("2026-11-21T00:00:00[UTC]")),
            Duration::from_secs(9 * 86_400)
        );
    }

    #[test]
    fn hours_say_when_it_is_closed() {
        let nights = hours(false, &["22:00-06:00 Europe/Berlin", "12:00-13:00 UTC"], "mon-fri");
        let text = "22:00-06:00 Europe/Berlin, 12:00-13:00 UTC (mon, tue, wed, thu, fri)";
        assert_eq!(nights.to_string(), text);
        let days = hours(true, &["8:00-24:00 UTC"], "mon-sun");
        assert_eq!(days.to_string(), "outside of 08:00-24:00 UTC");
    }

    #[test]
    fn what_is_no_window_is_told() {
        for (text, problem) in [
            ("22:00-06:00", "the time zone is missing"),
            ("22:00 UTC", "it is not FROM-TO"),
            ("25:00-06:00 UTC", "`25:00` is not a time of day"),
            ("8-18 UTC", "`8` is not a time of day"),
            ("08:00-08:00 UTC", "`08:00-08:00` is no time at all"),
            ("24:00-06:00 UTC", "`24:00-06:00` is no time at all"),
            ("08:00-18:00 Europe/Berlim", "there is no time zone `Europe/Berlim`"),
        ] {
            assert_eq!(Window::parse(text).unwrap_err(), problem);
        }
        assert_eq!((days("mon-tue").unwrap().len(), days("sat-mon").unwrap().len()), (2, 3));
        assert!(days("monday").is_none() && days("").is_none() && days("mon-").is_none());
    }
}
