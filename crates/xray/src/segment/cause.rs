//! Causes: the exceptions of a segment and the frames of their stacks.

use serde::Serialize;

/// How many frames of a stack are kept, as in the X-Ray SDK for Python.
pub const MAX_FRAMES: usize = 10;

/// An exception as X-Ray shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exception<'a> {
    /// Eight random bytes; a caller's segment refers to the exception by them.
    pub id: [u8; 8],
    /// The error's type.
    pub kind: &'a str,
    /// What the error says.
    pub message: &'a str,
    /// True if a downstream service had the exception.
    pub remote: bool,
    /// The innermost frames first, at most [`MAX_FRAMES`].
    pub stack: Vec<Frame<'a>>,
}

/// One frame of a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Frame<'a> {
    /// The source file, without its folders.
    pub path: &'a str,
    /// The line in it, from 1; 0 where the line is not known.
    pub line: u32,
    /// The function.
    pub label: &'a str,
}

/// Reads a stack in the form [`std::backtrace::Backtrace`] prints: `  3: function` and, where it is known,
/// `at path:line:column` on the next line. Other lines are skipped; frames of the runtime below `main` stay, as they do in
/// other languages.
#[must_use]
pub fn rust_backtrace(text: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut().filter(|frame| frame.path.is_empty()) {
                (frame.path, frame.line) = split_place(place);
            }
        } else if let Some((number, label)) = line.split_once(": ")
            && !number.is_empty()
            && number.bytes().all(|c| c.is_ascii_digit())
        {
            if frames.len() == MAX_FRAMES {
                break;
            }
            frames.push(Frame {
                label,
                ..Frame::default()
            });
        }
    }
    frames
}

/// `path:line:column` as file name and line.
fn split_place(place: &str) -> (&str, u32) {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, path) = (parts.next(), parts.next(), parts.next());
    let (path, line) = match (path, line.and_then(|line| line.parse().ok()), column) {
        (Some(path), Some(line), Some(_)) => (path, line),
        _ => (place, 0),
    };
    (path.rsplit(['/', '\\']).next().unwrap_or(path), line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_becomes_frames() {
        let text = "   0: app::fails\n             at ./src/routes/home.rs:12:9\n   1: <F as core::ops::Fn>::call\n   2: main\n             at C:\\app\\main.rs:3:1\nnote: something\n";
        assert_eq!(
            rust_backtrace(text),
            [
                Frame {
                    path: "home.rs",
                    line: 12,
                    label: "app::fails"
                },
                Frame {
                    path: "",
                    line: 0,
                    label: "<F as core::ops::Fn>::call"
                },
                Frame {
                    path: "main.rs",
                    line: 3,
                    label: "main"
                },
            ]
        );
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let text: String = (0..100)
            .map(|n| format!("  {n}: f{n}\n   at f.rs:{n}:1\n"))
            .collect();
        let frames = rust_backtrace(&text);
        assert_eq!(frames.len(), MAX_FRAMES);
        assert_eq!(
            frames[9],
            Frame {
                path: "f.rs",
                line: 9,
                label: "f9"
            }
        );
    }

    #[test]
    fn other_texts_have_no_frames() {
        assert_eq!(
            rust_backtrace("Traceback (most recent call last):\n  File \"app.py\", line 1"),
            []
        );
        assert_eq!(rust_backtrace("at nowhere"), []);
    }
}
