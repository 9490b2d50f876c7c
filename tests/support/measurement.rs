//! What a measurement ends with: one line of JSON, after whatever it printed on the way.

use serde::Serialize;

/// The result of a measurement.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    name: &'static str,
    value: f64,
    unit: &'static str,
    goal: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reduced: Option<String>,
}

impl Measurement {
    /// A value that must be at most `goal`.
    #[must_use]
    pub fn at_most(name: &'static str, value: f64, unit: &'static str, goal: f64) -> Self {
        Self {
            name,
            value,
            unit,
            goal: format!("<= {goal}"),
            ok: value <= goal,
            reduced: None,
        }
    }

    /// Times in milliseconds, none of them forgotten, of which 99 of 100 must be at most `goal`. Prints how they are spread.
    #[must_use]
    pub fn latency(name: &'static str, mut times: Vec<f64>, goal: f64) -> Self {
        times.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = (times.len() as f64 * share).ceil() as usize;
            times[place.clamp(1, times.len()) - 1]
        };
        println!(
            "p50 {:.0} ms, p90 {:.0} ms, p99 {:.0} ms, longest {:.0} ms",
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(1.0)
        );
        Self::at_most(name, quantile(0.99), "ms (p99)", goal)
    }

    /// A value that must be at least `goal`.
    #[must_use]
    pub fn at_least(name: &'static str, value: f64, unit: &'static str, goal: f64) -> Self {
        Self {
            goal: format!(">= {goal}"),
            ok: value >= goal,
            ..Self::at_most(name, value, unit, goal)
        }
    }

    /// Says that it was taken with less than the load that the goal speaks of.
    #[must_use]
    pub fn reduced_to(mut self, load: Option<String>) -> Self {
        self.reduced = load;
        self
    }

    /// Prints the line, and says whether the goal was reached.
    #[must_use]
    pub fn conclude(&self) -> std::process::ExitCode {
        let line = serde_json::to_string(self)
            .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        println!("{line}");
        if self.ok {
            std::process::ExitCode::SUCCESS
        } else {
            std::process::ExitCode::FAILURE
        }
    }
}
