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
