//! A plan for people and for programs.

use std::io::{self, Write as Output};

use anstyle::{AnsiColor, Effects, Style};
use serde_json::{Value, json};
use tracewright_core::crd::Mode;
use tracewright_core::plan::{Action, Pending, Planned as Object, Verdict};

use super::cost::{Estimate, FREE_TRACES, Monthly, Then, USD_PER_MILLION};
use super::fields::{Field, fields};
use super::{AccountTraffic, Outcome, Planned, Report};

const CREATE: Style = AnsiColor::Green.on_default();
const CHANGE: Style = AnsiColor::Yellow.on_default();
const DELETE: Style = AnsiColor::Red.on_default();
const SYNCED: Style = Style::new().effects(Effects::DIMMED);
const HELD: Style = AnsiColor::Magenta.on_default().effects(Effects::BOLD);
const HEADING: Style = Style::new().bold();

/// How many objects come to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    create: usize,
    change: usize,
    delete: usize,
    synced: usize,
    held: usize,
}

impl Counts {
    fn of(report: &Report) -> Self {
        let mut counts = Self::default();
        for planned in &report.profiles {
            match &planned.outcome {
                Outcome::NotCompared(_) => {}
                Outcome::Invalid(_) => counts.held += 1,
                Outcome::Compared { plan, .. } => plan
                    .objects
                    .iter()
                    .for_each(|object| counts.add(&object.verdict)),
            }
        }
        counts
    }

    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Synced => self.synced += 1,
            Verdict::Held { .. } => self.held += 1,
            Verdict::Write(write) => match write.action {
                Action::Create => self.create += 1,
                Action::Delete => self.delete += 1,
                Action::Update | Action::Adopt | Action::Restore | Action::Release => {
                    self.change += 1
                }
            },
        }
    }
}

/// Prints a plan as a diff.
///
/// # Errors
/// Where the output cannot be written.
pub fn text(report: &Report, out: &mut dyn Output) -> io::Result<()> {
    if let Some(cluster) = &report.cluster {
        writeln!(out, "cluster {cluster}")?;
    }
    for assumption in &report.assumptions {
        writeln!(out, "note: {assumption}")?;
    }
    for planned in &report.profiles {
        profile(planned, out)?;
    }
    if !report.accounts.is_empty() {
        writeln!(out)?;
    }
    for account in &report.accounts {
        traffic(account, out)?;
    }
    let Counts {
        create,
        change,
        delete,
        synced,
        held,
    } = Counts::of(report);
    let profiles = report.profiles.len();
    writeln!(
        out,
        "\n{profiles} profile{}: {create} to create, {change} to change, {delete} to delete, {synced} in sync, {held} left alone",
        if profiles == 1 { "" } else { "s" }
    )?;
    writeln!(
        out,
        "Nothing was written. Only AWS was compared: of workloads and receivers a profile in mode Preview tells."
    )
}

fn profile(planned: &Planned, out: &mut dyn Output) -> io::Result<()> {
    let Planned {
        profile,
        file,
        line,
        mode,
        outcome,
        advice,
        costs,
    } = planned;
    let place = match outcome {
        Outcome::Compared { place, .. } => format!("  account {}, {}", place.account, place.region),
        Outcome::NotCompared(_) | Outcome::Invalid(_) => String::new(),
    };
    writeln!(
        out,
        "\n{HEADING}{profile}{HEADING:#}{place}  ({file}:{line})"
    )?;
    match outcome {
        Outcome::Invalid(invalid) => {
            writeln!(out, "  {HELD}!{HELD:#} {}: {invalid}", invalid.reason())?
        }
        Outcome::NotCompared(why) => writeln!(out, "  {SYNCED}= {why}{SYNCED:#}")?,
        Outcome::Compared { plan, .. } => {
            let width = plan
                .objects
                .iter()
                .map(|object| object.name.chars().count())
                .max()
                .unwrap_or(0);
            for planned in &plan.objects {
                object(planned, width, out)?;
            }
            if *mode == Mode::Preview {
                writeln!(out, "  spec.mode is Preview: this is what Apply would do")?;
            }
            for note in &plan.notes {
                writeln!(
                    out,
                    "  {CHANGE}advice{CHANGE:#} {}: {}",
                    note.reason, note.message
                )?;
            }
        }
    }
    for advice in advice {
        writeln!(
            out,
            "  {CHANGE}advice{CHANGE:#} {}: {} ({})",
            advice.reason, advice.message, advice.field
        )?;
    }
    for (rule, estimate) in costs {
        writeln!(out, "  cost of {rule}, estimated: {}", in_words(estimate))?;
    }
    Ok(())
}

fn object(object: &Object<Pending>, width: usize, out: &mut dyn Output) -> io::Result<()> {
    let (style, symbol) = match &object.verdict {
        Verdict::Synced => (SYNCED, '='),
        Verdict::Held { .. } => (HELD, '!'),
        Verdict::Write(write) => match write.action {
            Action::Create => (CREATE, '+'),
            Action::Delete => (DELETE, '-'),
            Action::Update | Action::Adopt | Action::Restore | Action::Release => (CHANGE, '~'),
        },
    };
    let subject = format!("{symbol} {:13}  {:width$}", object.kind.noun(), object.name);
    let indent = " ".repeat(subject.chars().count());
    let details = match &object.verdict {
        Verdict::Synced => Vec::new(),
        Verdict::Held {
            reason, message, ..
        } => vec![format!("{reason}: {message}")],
        Verdict::Write(write) => {
            let told: Vec<String> = fields(write).iter().map(Field::to_string).collect();
            match write.action {
                // What is new is one thing, and reads as one.
                Action::Create => vec![told.join(", ")],
                Action::Update => told,
                Action::Adopt => std::iter::once("is taken over".to_owned())
                    .chain(told)
                    .collect(),
                Action::Restore => {
                    vec![format!("goes back to what AWS ships: {}", told.join(", "))]
                }
                Action::Delete => vec!["no profile declares it".to_owned()],
                Action::Release => {
                    vec!["stays in AWS, without our tags: no profile declares it".to_owned()]
                }
            }
        }
    };
    let mut details = details.into_iter();
    let first = details.next().unwrap_or_default();
    writeln!(
        out,
        "  {style}{}{style:#}",
        format!("{subject}  {first}").trim_end()
    )?;
    for detail in details {
        writeln!(out, "  {style}{indent}  {detail}{style:#}")?;
    }
    Ok(())
}

fn in_words(estimate: &Estimate) -> String {
    let month = |monthly: &Monthly| {
        format!(
            "{} traces a month, ${:.2}",
            count(monthly.traces),
            monthly.usd
        )
    };
    let requests = estimate.requests_per_second;
    let now = month(&estimate.now);
    match &estimate.then {
        Then::Same => format!("{requests:.1} requests/s, {now}"),
        Then::Becomes(then) => format!("{requests:.1} requests/s, {now} -> {}", month(then)),
        Then::Unknown => format!(
            "{requests:.1} requests/s, {now} now; other requests will match, which nobody has counted"
        ),
    }
}

fn traffic(account: &AccountTraffic, out: &mut dyn Output) -> io::Result<()> {
    let AccountTraffic { place, traffic } = account;
    write!(
        out,
        "sampling in account {}, {}: ",
        place.account, place.region
    )?;
    match traffic {
        Err(error) => writeln!(out, "no cost can be estimated: {error}"),
        Ok(None) => writeln!(
            out,
            "no cost can be estimated, because no client has reported traffic"
        ),
        Ok(Some(traffic)) => {
            let now = traffic.total();
            let billed = (now.traces - FREE_TRACES).max(0.0) * USD_PER_MILLION / 1e6;
            writeln!(
                out,
                "{} traces a month by all rules, ${billed:.2} after {} free ones",
                count(now.traces),
                count(FREE_TRACES),
            )?;
            writeln!(
                out,
                "  an estimate: {:.0} s of traffic ({} to {}) taken for a whole month, at ${USD_PER_MILLION:.2} per million traces recorded",
                traffic.seconds(),
                traffic.from,
                traffic.until,
            )
        }
    }
}

/// A large number that is read at a glance.
fn count(number: f64) -> String {
    if number >= 1e6 {
        return format!("{:.2} million", number / 1e6);
    }
    let digits = format!("{number:.0}");
    match digits
        .len()
        .checked_sub(3)
        .filter(|thousands| *thousands > 0)
    {
        Some(thousands) => format!("{},{}", &digits[..thousands], &digits[thousands..]),
        None => digits,
    }
}

/// Prints a plan as a JSON object.
///
/// # Errors
/// Where the output cannot be written.
pub fn json(report: &Report, out: &mut dyn Output) -> io::Result<()> {
    let Counts {
        create,
        change,
        delete,
        synced,
        held,
    } = Counts::of(report);
    let value = json!({
        "cluster": report.cluster,
        "assumptions": report.assumptions,
        "profiles": report.profiles.iter().map(profile_value).collect::<Vec<_>>(),
        "accounts": report.accounts.iter().map(account_value).collect::<Vec<_>>(),
        "summary": {"create": create, "change": change, "delete": delete, "synced": synced, "held": held},
    });
    let mut text = serde_json::to_vec_pretty(&value)?;
    text.push(b'\n');
    out.write_all(&text)
}

fn profile_value(planned: &Planned) -> Value {
    let Planned {
        profile,
        file,
        line,
        mode,
        outcome,
        advice,
        costs,
    } = planned;
    let mut advice: Vec<Value> = advice
        .iter()
        .map(|advice| json!({"reason": advice.reason, "field": advice.field.to_string(), "message": advice.message}))
        .collect();
    let (mut objects, mut place) = (Vec::new(), (None, None));
    let (mut invalid, mut not_compared) = (None, None);
    match outcome {
        Outcome::Compared {
            place: compared,
            plan,
        } => {
            objects.extend(plan.objects.iter().map(object_value));
            advice.extend(
                plan.notes
                    .iter()
                    .map(|note| json!({"reason": note.reason, "message": note.message})),
            );
            place = (Some(&compared.account), Some(&compared.region));
        }
        Outcome::NotCompared(why) => not_compared = Some(why),
        Outcome::Invalid(why) => {
            invalid = Some(json!({"reason": why.reason(), "message": why.to_string()}))
        }
    }
    json!({
        "profile": profile.to_string(),
        "file": file,
        "line": line,
        "mode": mode,
        "account": place.0,
        "region": place.1,
        "invalid": invalid,
        "notCompared": not_compared,
        "objects": objects,
        "advice": advice,
        "costs": costs.iter().map(|(rule, estimate)| cost_value(rule, estimate)).collect::<Vec<_>>(),
    })
}

fn object_value(object: &Object<Pending>) -> Value {
    let (action, fields, reason, message) = match &object.verdict {
        Verdict::Synced => ("None", Vec::new(), None, None),
        Verdict::Held {
            reason, message, ..
        } => ("Held", Vec::new(), Some(reason), Some(message)),
        Verdict::Write(write) => (write.action.as_str(), fields(write), None, None),
    };
    let field = |Field { name, from, to }: Field| json!({"field": name, "from": from, "to": to});
    json!({
        "action": action,
        "kind": object.kind.as_str(),
        "name": object.name,
        "arn": object.arn,
        "fields": fields.into_iter().map(field).collect::<Vec<_>>(),
        "reason": reason,
        "message": message,
    })
}

fn month_value(monthly: &Monthly) -> Value {
    json!({"traces": monthly.traces.round(), "usd": (monthly.usd * 100.0).round() / 100.0})
}

fn cost_value(rule: &str, estimate: &Estimate) -> Value {
    json!({
        "samplingRule": rule,
        "requestsPerSecond": estimate.requests_per_second,
        "monthNow": month_value(&estimate.now),
        "monthThen": match &estimate.then {
            Then::Same => Some(month_value(&estimate.now)),
            Then::Becomes(then) => Some(month_value(then)),
            Then::Unknown => None,
        },
    })
}

fn account_value(account: &AccountTraffic) -> Value {
    let (window, error) = match &account.traffic {
        Ok(None) => (None, None),
        Err(error) => (None, Some(error.to_string())),
        Ok(Some(traffic)) => (
            Some(json!({
                "from": traffic.from.to_string(),
                "until": traffic.until.to_string(),
                "monthNow": month_value(&traffic.total()),
            })),
            None,
        ),
    };
    json!({
        "account": account.place.account,
        "region": account.place.region,
        "traffic": window,
        "error": error,
        "usdPerMillionTraces": USD_PER_MILLION,
        "freeTracesPerMonth": FREE_TRACES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_read_at_a_glance() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (1000.0, "1,000"),
            (100_000.0, "100,000"),
            (1_234_567.0, "1.23 million"),
        ] {
            assert_eq!(count(number), text);
        }
    }
}
