//! Which statuses are good.

use subrosa_http::StatusCode;

/// Statuses from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
}

/// Which statuses are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expect(Vec<Range>);

/// A text is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoStatus;

impl Default for Expect {
    fn default() -> Expect {
        Expect(vec![Range { first: 200, last: 299 }])
    }
}

impl Expect {
    /// Reads `200`, `200-204` or `2xx`, several of them apart by commas.
    pub(super) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Expect, NoStatus> {
        let pieces = texts.into_iter().flat_map(|text| text.split(','));
        let ranges: Vec<Range> = pieces.map(range).collect::<Result<_, _>>()?;
        if ranges.is_empty() { Ok(Expect::default()) } else { Ok(Expect(ranges)) }
    }

    pub(super) fn holds(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| (range.first..=range.last).contains(&status.as_u16()))
    }
}

fn range(text: &str) -> Result<Range, NoStatus> {
    let text = text.trim();
    if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
        let class: u16 = class.parse().map_err(|_| NoStatus)?;
        return checked(class.saturating_mul(100), class.saturating_mul(100).saturating_add(99));
    }
    match text.split_once('-') {
        Some((first, last)) => checked(number(first)?, number(last)?),
        None => number(text).and_then(|one| checked(one, one)),
    }
}

fn number(text: &str) -> Result<u16, NoStatus> {
    text.trim().parse().map_err(|_| NoStatus)
}

fn checked(first: u16, last: u16) -> Result<Range, NoStatus> {
    let is_one = first <= last && first >= 100 && last <= 599;
    if is_one { Ok(Range { first, last }) } else { Err(NoStatus) }
}

#[cfg(test)]
mod tests {
    use subrosa_http::StatusCode;

    use super::{Expect, NoStatus};

    fn check(texts: &[&str], good: &[u16], bad: &[u16]) {
        let expect = Expect::parse(texts.iter().copied()).unwrap();
        let holds = |status: &u16| expect.holds(StatusCode::from_u16(*status).unwrap());
        assert!(good.iter().all(holds) && !bad.iter().any(holds), "{texts:?}");
    }

    #[test]
    fn statuses_are_numbers_ranges_and_classes() {
        check(&[], &[200, 204, 299], &[199, 300, 404]);
        check(&["404"], &[404], &[200, 403]);
        check(&["200-204", "3xx"], &[200, 204, 302, 399], &[205, 400]);
        check(&["200, 404"], &[200, 404], &[201]);
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in
            ["", "ok", "99", "600", "6xx", "0xx", "204-200", "200-", "-204", "99999xx", "2x"]
        {
            assert_eq!(Expect::parse([text]), Err(NoStatus), "{text}");
        }
    }
}
