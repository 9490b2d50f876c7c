//! The whole main job on a real cluster: images, charts, pods and traffic. `make e2e` runs it on a kind cluster; it runs against
//! any cluster whose kubeconfig is in KUBECONFIG and that can pull the images.
//!
//! The steps build on each other, so they run in order and end with the first that fails.

mod aws;
mod cluster;
mod probe;
mod steps;

use std::process::ExitCode;
use std::time::Instant;

use cluster::Cluster;

/// Runs one step of the list, and says how long it took.
macro_rules! run {
    ($cluster:expr, $passed:expr, $ignored:expr, [$($step:path),+ $(,)?]) => {
        'steps: {
            $(
                let name = stringify!($step).trim_start_matches("steps::").replace("::", ": ").replace('_', " ");
                println!("step {name} ...");
                let began = Instant::now();
                match $step($cluster).await {
                    Ok(()) => {
                        println!("step {name} ... ok ({:.1} s)", began.elapsed().as_secs_f32());
                        $passed += 1;
                    }
                    Err(error) if error.is::<steps::NotRun>() => {
                        println!("step {name} ... NOT RUN: {error}");
                        $ignored += 1;
                    }
                    Err(error) => {
                        println!("step {name} ... FAILED ({:.1} s)\n{error:#}", began.elapsed().as_secs_f32());
                        break 'steps Some(name);
                    }
                }
            )+
            None
        }
    };
}

#[tokio::main]
async fn main() -> ExitCode {
    let cluster = match Cluster::from_environment().await {
        Ok(cluster) => cluster,
        Err(error) => {
            println!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let (mut passed, mut ignored) = (0, 0);
    let failed = run!(
        &cluster,
        passed,
        ignored,
        [
            steps::install::namespaces_refuse_what_is_not_restricted,
            steps::install::the_stand_ins_for_aws_and_honeycomb_run,
            steps::install::the_operators_chart_installs,
            steps::install::the_services_chart_installs,
            steps::profile::the_profile_becomes_ready_and_counts_what_it_covers,
            steps::profile::aws_has_the_group_the_rule_and_the_log_group,
            steps::profile::the_new_pods_were_started_with_the_variables,
            steps::receiver::its_pods_answer_on_udp_and_tcp_through_the_service,
            steps::traffic::requests_arrive_as_traces_and_logs,
            steps::receiver::segments_arrive_again_after_it_went_away_and_came_back,
            steps::journal::the_journals_case_takes_one_command,
            steps::operator::an_upgrade_of_the_chart_restarts_no_workload,
            steps::operator::a_change_is_carried_out_although_the_leader_is_killed,
            steps::node::everything_comes_back_after_the_nodes_restart,
            steps::uninstall::what_is_left_goes_on_and_can_be_deleted,
        ]
    );
    let seconds = began.elapsed().as_secs_f32();
    match failed {
        None => {
            println!(
                "test result: ok. {passed} passed; 0 failed; {ignored} ignored; finished in {seconds:.1}s"
            );
            ExitCode::SUCCESS
        }
        Some(step) => {
            println!(
                "test result: FAILED. {passed} passed; 1 failed; {ignored} ignored; failed: {step}, and the steps after it did not run; finished in {seconds:.1}s"
            );
            ExitCode::FAILURE
        }
    }
}
