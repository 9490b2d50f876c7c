//! Waiting for what must become true, with an end and with words for what was there instead.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// For what takes a moment: one controller's reaction.
pub const SHORT: Duration = Duration::from_secs(20);
/// For what takes several controllers or a machine that is busy: a rollout, a namespace's end.
pub const LONG: Duration = Duration::from_secs(90);

const INTERVAL: Duration = Duration::from_millis(50);

/// Something did not become true in time.
#[derive(Debug, thiserror::Error)]
#[error("waited {} s until {what}; last seen: {seen}", waited.as_secs_f32())]
pub struct NotYet {
    what: String,
    waited: Duration,
    seen: String,
}

/// Asks `probe` until it answers `Ok`, at most for `deadline`. Its error is what was seen instead.
///
/// # Errors
/// The deadline passed; the error tells `what` was waited for and what the last answer was.
pub async fn eventually<T, E: Display>(
    deadline: Duration,
    what: impl Display,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, NotYet> {
    let end = Instant::now() + deadline;
    let mut seen = None;
    loop {
        match timeout_at(end, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = Some(error.to_string()),
            Err(_) => {
                seen = Some(seen.unwrap_or_else(|| "no answer to the first question".to_owned()))
            }
        }
        if Instant::now() + INTERVAL >= end {
            return Err(NotYet {
                what: what.to_string(),
                waited: deadline,
                seen: seen.unwrap_or_default(),
            });
        }
        sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_good_answer_is_returned() -> Result<(), NotYet> {
        let mut asked = 0;
        let answer = eventually(SHORT, "three questions were asked", async || {
            asked += 1;
            if asked == 3 {
                Ok(asked)
            } else {
                Err(format!("{asked} asked"))
            }
        })
        .await?;
        assert_eq!(answer, 3);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_tells_what_was_seen_last() {
        let began = Instant::now();
        let error = eventually::<(), _>(SHORT, "pigs fly", async || Err("pigs on the ground"))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 20 s until pigs fly; last seen: pigs on the ground"
        );
        assert!(began.elapsed() <= SHORT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_an_answer_does_not_outlast_the_deadline() {
        let mut asked = 0;
        let began = Instant::now();
        let error = eventually::<(), _>(SHORT, "it answers", async || {
            asked += 1;
            if asked > 1 {
                std::future::pending::<()>().await;
            }
            Err("busy")
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "waited 20 s until it answers; last seen: busy"
        );
        assert_eq!(began.elapsed(), SHORT);
    }
}
