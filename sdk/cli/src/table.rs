//! Aligned columns, and values for people.

/// Rows under a heading, columns as wide as they must be, the last one as long as it is.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|text| (*text).to_owned()).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in std::iter::once(&heading).chain(rows) {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A name and a value a line, values aligned.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 1;
    let mut text = String::new();
    for (name, value) in rows {
        let mut lines = value.lines();
        let label = format!("{name}:");
        let line = format!("{label:<width$}  {}\n", lines.next().unwrap_or_default());
        text.push_str(&line);
        for more in lines {
            let line = format!("{:width$}  {more}\n", "");
            text.push_str(&line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["1".into(), "claude".into(), "x".into()],
            vec!["22".into(), "c".into(), "yy".into()],
        ];
        assert_eq!(
            table(&["ID", "AGENT", "P"], &rows),
            "ID  AGENT   P\n1   claude  x\n22  c       yy\n"
        );
    }

    #[test]
    fn a_value_of_several_lines_stays_in_its_column() {
        assert_eq!(
            pairs(&[("who", "a".into()), ("stack", "b\nc".into())]),
            "who:    a\nstack:  b\n        c\n"
        );
    }
}
