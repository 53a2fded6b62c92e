//! Text in rows and columns: what should be on the screen, and what is.

use alloc::boxed::Box;
use alloc::vec;

/// What is in a cell where there is no ASCII character to show.
pub(super) const REPLACEMENT: u8 = 0x7f;

/// What is in no cell that should be seen: makes the first update draw everything.
const UNKNOWN: u8 = 0;

const TAB: usize = 8;

/// Cells in rows, and a cursor.
///
/// # Invariants
///
/// - `wanted` and `shown` have `columns * rows` cells, and there is at least one.
/// - `row < rows`, and `column <= columns`: at the end of a row the cursor waits for what comes.
/// - A wanted cell is a printable ASCII character or [`REPLACEMENT`].
pub(super) struct Grid {
    columns: usize,
    rows: usize,
    column: usize,
    row: usize,
    wanted: Box<[u8]>,
    shown: Box<[u8]>,
}

impl Grid {
    /// An empty grid with the cursor in its upper left corner.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        assert!(columns > 0 && rows > 0, "a grid has cells");
        Self {
            columns,
            rows,
            column: 0,
            row: 0,
            wanted: vec![b' '; columns * rows].into_boxed_slice(),
            shown: vec![UNKNOWN; columns * rows].into_boxed_slice(),
        }
    }

    /// Puts the next byte of UTF-8 text.
    pub(super) fn put(&mut self, byte: u8) {
        match byte {
            b'\n' => self.new_line(),
            b'\r' => self.column = 0,
            b'\t' => {
                let next = (self.column / TAB + 1) * TAB;
                self.column = next.min(self.columns);
            }
            0x08 => self.column = self.column.saturating_sub(1),
            b' '..=b'~' => self.put_cell(byte),
            // The first byte of a character shows it, the others do not.
            0x80..=0xbf => {}
            _ => self.put_cell(REPLACEMENT),
        }
    }

    fn put_cell(&mut self, cell: u8) {
        if self.column == self.columns {
            self.new_line();
        }
        self.wanted[self.row * self.columns + self.column] = cell;
        self.column += 1;
    }

    /// Every store leaves the invariants true, because a panic may take over from a core that was stopped anywhere.
    fn new_line(&mut self) {
        self.column = 0;
        if self.row + 1 < self.rows {
            self.row += 1;
            return;
        }
        let by = self.rows.div_ceil(8);
        let kept = (self.rows - by) * self.columns;
        self.wanted.copy_within(by * self.columns.., 0);
        self.wanted[kept..].fill(b' ');
        self.row = self.rows - by;
    }

    /// Somebody else has drawn where it is shown: the next update draws everything.
    pub(super) fn forget_shown(&mut self) {
        self.shown.fill(UNKNOWN);
    }

    /// Calls `draw` with column, row and content of every cell that does not show what it should.
    pub(super) fn update(&mut self, mut draw: impl FnMut(usize, usize, u8)) {
        let wanted = self.wanted.chunks_exact(self.columns);
        let shown = self.shown.chunks_exact_mut(self.columns);
        for (row, (wanted, shown)) in wanted.zip(shown).enumerate() {
            // Most rows are as they were; comparing them whole is quick.
            if wanted == shown {
                continue;
            }
            for (column, (&wanted, shown)) in wanted.iter().zip(shown).enumerate() {
                if wanted != *shown {
                    draw(column, row, wanted);
                    *shown = wanted;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is on a screen that is updated after every byte, or only at the end.
    fn screen(columns: usize, rows: usize, bytes: &[u8], often: bool) -> Vec<String> {
        let mut grid = Grid::new(columns, rows);
        let mut cells = vec![UNKNOWN; columns * rows];
        let mut draw = |column, row, cell| cells[row * columns + column] = cell;
        for &byte in bytes {
            grid.put(byte);
            if often {
                grid.update(&mut draw);
            }
        }
        grid.update(&mut draw);
        let text = |row: &[u8]| String::from_utf8(row.to_vec()).expect("it is ASCII");
        cells.chunks(columns).map(text).collect()
    }

    #[test]
    fn text_is_laid_out_in_rows() {
        let text = "ab\ncd\r\nabcdefg\n\tx\nab\rc\x08d";
        let expected = ["ab    ", "cd    ", "abcdef", "g     ", "      ", "x     ", "db    "];
        assert_eq!(screen(6, 7, text.as_bytes(), false), expected);
    }

    #[test]
    fn tabs_stop_at_every_eighth_column() {
        assert_eq!(screen(20, 1, b"a\tb\tc", false), ["a       b       c   "]);
    }

    #[test]
    fn a_full_row_does_not_scroll_until_more_comes() {
        assert_eq!(screen(2, 2, b"abcd", false), ["ab", "cd"]);
        assert_eq!(screen(2, 2, b"abcd\n", false), ["cd", "  "]);
    }

    #[test]
    fn a_full_screen_scrolls_by_an_eighth() {
        let lines: String = (0..17).map(|number| format!("{number}\n")).collect();
        let screen = screen(3, 16, lines.as_bytes(), false);
        assert_eq!(screen[0], "2  ");
        assert_eq!(screen[14..], ["16 ", "   "]);
    }

    #[test]
    fn what_is_not_ascii_shows_as_one_replacement_per_character() {
        assert_eq!(screen(6, 1, "aä€\u{1f980}\x1b\0".as_bytes(), false), ["a\x7f\x7f\x7f\x7f\x7f"]);
    }

    #[test]
    fn an_update_draws_only_what_changed() {
        let mut grid = Grid::new(10, 4);
        let mut drawn = 0;
        grid.update(|_, _, _| drawn += 1);
        assert_eq!(drawn, 40);
        b"ab c".iter().for_each(|&byte| grid.put(byte));
        let mut drawn = Vec::new();
        grid.update(|column, row, cell| drawn.push((column, row, cell)));
        assert_eq!(drawn, [(0, 0, b'a'), (1, 0, b'b'), (3, 0, b'c')]);
    }

    proptest! {
        #[test]
        fn how_often_it_is_updated_makes_no_difference(
            columns in 1usize..12,
            rows in 1usize..12,
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\t'), any::<u8>()], 0..400),
        ) {
            let often = screen(columns, rows, &bytes, true);
            prop_assert_eq!(often, screen(columns, rows, &bytes, false));
        }
    }
}
