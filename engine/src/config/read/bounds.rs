//! `[resolve]` and `[cache]`: durations and numbers within bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::{Origin, Pair, Reader};
use crate::config::LimitSettings;

const RESOLVE: [&str; 5] = ["request", "total", "close", "retries", "at_once"];
const DURATIONS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const AGES: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 60 * 60);

impl Reader<'_> {
    pub(super) fn limits(&mut self, table: &DeTable<'_>) -> LimitSettings {
        let mut limits = LimitSettings::default();
        for pair in table {
            match pair.0.get_ref().as_ref() {
                "request" => limits.request = self.duration(pair, DURATIONS),
                "total" => limits.total = self.duration(pair, DURATIONS),
                "close" if self.origin == Origin::Project => {
                    limits.close_most = self.duration(pair, DURATIONS);
                }
                "close" => limits.close = self.duration(pair, DURATIONS),
                "retries" => limits.retries = self.number(pair, 0..=20),
                "at_once" => {
                    limits.at_once =
                        self.number(pair, 1..=256).and_then(|n| usize::try_from(n).ok());
                }
                _ => self.unknown(pair, RESOLVE.iter().copied(), "key of `[resolve]`"),
            }
        }
        limits
    }

    pub(super) fn cache(&mut self, table: &DeTable<'_>) -> Option<Duration> {
        let mut max_age = None;
        for pair in table {
            match pair.0.get_ref().as_ref() {
                "max_age" if self.origin == Origin::Project => {
                    self.only_the_user("max_age", pair.0)
                }
                "max_age" => max_age = self.duration(pair, AGES),
                _ => self.unknown(pair, ["max_age"].into_iter(), "key of `[cache]`"),
            }
        }
        max_age
    }

    fn duration(
        &mut self,
        (key, value): Pair<'_, '_>,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = match value.get_ref() {
            DeValue::String(text) => text.as_ref(),
            _ => "",
        };
        let found = humantime::parse_duration(text).ok().filter(|found| bounds.contains(found));
        if found.is_none() {
            self.hide(value);
            let (least, most) = (bounds.start(), bounds.end());
            let (least, most) =
                (humantime::format_duration(*least), humantime::format_duration(*most));
            self.error(
                "config-value",
                format!("`{}` is no duration that fits", key.get_ref()),
                key,
            )
            .help = Some(format!(r#"write a text such as "20s", from {least} to {most}"#));
        }
        found
    }

    fn number(&mut self, (key, value): Pair<'_, '_>, bounds: RangeInclusive<u32>) -> Option<u32> {
        let found = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let found = found.filter(|number| bounds.contains(number));
        if found.is_none() {
            self.hide(value);
            let (least, most) = (bounds.start(), bounds.end());
            self.error(
                "config-value",
                format!("`{}` is no number that fits", key.get_ref()),
                key,
            )
            .help = Some(format!("write a whole number from {least} to {most}"));
        }
        found
    }
}
