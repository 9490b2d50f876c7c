//! Profile → Desired → Plan → Status on the AWS side: what holds for every profile and every account, by property, and
//! what each rule decides, by table.

mod arbitrary;
mod carry;
mod convergence;
mod ownership;
mod patience;
mod place;
mod preview;
mod rivals;
mod status;
mod unseen;
mod update;
mod validate;
