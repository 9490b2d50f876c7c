//! Where in an expression something is, for people: line, column, and a caret under it.

/// Most characters of a line that [`Position::caret`] shows; longer lines are cut around the column.
const SHOWN: usize = 80;

/// A place in an expression. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    /// The position of a byte offset. An offset inside a character counts as its start, one behind the end as the end.
    pub(super) fn of(source: &str, offset: usize) -> Self {
        let before = &source[..floor(source, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The line, and below it a `^` under the column.
    pub(super) fn caret(self, source: &str) -> String {
        let line: Vec<char> = source
            .split('\n')
            .nth(self.line - 1)
            .unwrap_or_default()
            .chars()
            .collect();
        let at = self.column - 1;
        let from = at.saturating_sub(SHOWN / 2);
        let to = (from + SHOWN).min(line.len());
        let (head, tail) = (
            if from > 0 { "…" } else { "" },
            if to < line.len() { "…" } else { "" },
        );
        // Other control characters than a tab take no column of their own and may move the cursor.
        let visible = |c: &char| match c {
            '\t' => '\t',
            c if c.is_control() => '\u{fffd}',
            c => *c,
        };
        let shown: String = line[from..to].iter().map(visible).collect();
        // A tab stays a tab, so that the caret stands under its character however wide tabs are.
        let indent: String = line[from..at.min(line.len())]
            .iter()
            .map(|c| if *c == '\t' { '\t' } else { ' ' })
            .collect();
        let margin = " ".repeat(head.chars().count());
        format!("{head}{shown}{tail}\n{margin}{indent}^")
    }
}

fn floor(source: &str, offset: usize) -> usize {
    (0..=offset.min(source.len()))
        .rev()
        .find(|at| source.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_caret_stands_under_the_character_not_the_byte() {
        let source = "user = \"Ünïcödé\" ?";
        let position = Position::of(source, source.find('?').expect("it is there"));
        assert_eq!(
            position.caret(source),
            "user = \"Ünïcödé\" ?\n                 ^"
        );
    }

    #[test]
    fn the_caret_finds_its_line_and_keeps_tabs() {
        let source = "ok\n\tAND ) fault\nerror";
        let position = Position::of(source, source.find(')').expect("it is there"));
        assert_eq!((position.line, position.column), (2, 6));
        assert_eq!(position.caret(source), "\tAND ) fault\n\t    ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let source = format!("{}?{}", "a".repeat(500), "b".repeat(500));
        let caret = Position::of(&source, 500).caret(&source);
        let (line, below) = caret.split_once('\n').expect("two lines");
        assert_eq!(line.chars().count(), SHOWN + 2);
        assert_eq!(line.chars().nth(below.chars().count() - 1), Some('?'));
    }

    proptest! {
        #[test]
        fn every_offset_has_a_position_and_a_caret_below_its_line(source in ".{0,200}|[a\n\t]{0,50}", offset in 0_usize..300) {
            let caret = Position::of(&source, offset).caret(&source);
            prop_assert_eq!(caret.matches('\n').count(), 1);
            prop_assert!(caret.ends_with('^'));
        }
    }
}
