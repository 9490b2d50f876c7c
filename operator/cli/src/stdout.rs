//! The standard output, which may be a pipe whose reader goes away, as in `tracewright crd | head -1`.

use std::io::{self, ErrorKind, Write};

/// Writes as long as somebody reads; after that there is nobody who wants the rest, which is no error.
#[derive(Debug)]
pub struct UntilClosed<W> {
    writer: W,
    closed: bool,
}

impl<W: Write> UntilClosed<W> {
    /// Writes to the writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            closed: false,
        }
    }

    fn unless_closed<T>(
        &mut self,
        otherwise: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.closed {
            return Ok(otherwise);
        }
        match write(&mut self.writer) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(otherwise)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for UntilClosed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.unless_closed(buffer.len(), |writer| writer.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_error_and_everything_else_is() {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut out = UntilClosed::new(writer);
        assert!(out.write_all(b"text").is_ok());
        assert!(out.closed);
        assert!(out.write_all(b"more").is_ok() && out.flush().is_ok());

        let mut full = [0; 2];
        assert!(UntilClosed::new(&mut full[..]).write_all(b"text").is_err());
    }
}
