//! Rows of text with aligned columns.

use crate::text;

/// Lines of the rows: columns as wide as their widest cell, two spaces apart, no trailing blanks.
pub(crate) fn lines(rows: &[Vec<String>]) -> Vec<String> {
    let mut widths = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get_mut(column) {
                Some(known) => *known = text::width(cell).max(*known),
                None => widths.push(text::width(cell)),
            }
        }
    }
    rows.iter().map(|row| line(row, &widths)).collect()
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, columns) in row.iter().zip(widths) {
        line.push_str(cell);
        line.push_str(&" ".repeat(columns.saturating_sub(text::width(cell)) + 2));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn columns_align() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["漢字".to_owned(), String::new()]];
        assert_eq!(lines(&rows), ["a     b", "漢字"]);
    }
}
