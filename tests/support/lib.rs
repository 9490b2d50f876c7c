//! What every system test stands on.
