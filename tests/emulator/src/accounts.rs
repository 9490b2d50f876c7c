//! Whose access key it is: long-term keys by `PUT /_control/accounts`, temporary ones by STS.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use serde::Deserialize;

use crate::error::AwsError;
use crate::service::Service;

/// The account of every key while no accounts have been set.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";

/// Temporary credentials kept; the oldest are forgotten and then unknown.
const MAX_SESSIONS: usize = 10_000;

/// How access keys issued here begin. A lost session must not become a stranger's long-term key.
const SESSION_KEY_PREFIX: &str = "ASIAEMULATOR";

/// One line of `PUT /_control/accounts`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Key {
    access_key_id: String,
    account_id: String,
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    /// Whether the credentials came from STS.
    pub(crate) temporary: bool,
}

/// Temporary credentials.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    /// Emulated milliseconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) caller: Caller,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None`: any key, one account.
    keys: Option<HashMap<String, String>>,
    sessions: HashMap<String, Session>,
    issued: VecDeque<String>,
}

/// The known keys.
#[derive(Debug, Default)]
pub(crate) struct Accounts(Mutex<Inner>);

impl Accounts {
    /// From now on just these long-term keys are known; `None`: any key, one account, as at the start.
    pub(crate) fn set(&self, keys: Option<Vec<Key>>) -> Result<(), String> {
        let Some(keys) = keys else {
            self.lock().keys = None;
            return Ok(());
        };
        let mut known = HashMap::new();
        for Key {
            access_key_id,
            account_id,
        } in keys
        {
            if account_id.len() != 12 || !account_id.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(format!(
                    "accountId {account_id:?}: an AWS account id is 12 digits"
                ));
            }
            if access_key_id.is_empty() || access_key_id.contains(['/', ',', ' ']) {
                return Err(format!("accessKeyId {access_key_id:?}: letters and digits"));
            }
            known.insert(access_key_id, account_id);
        }
        self.lock().keys = Some(known);
        Ok(())
    }

    /// The caller behind an access key and, for temporary credentials, their session token.
    pub(crate) fn caller(
        &self,
        service: Service,
        key: &str,
        token: Option<&str>,
        now: i64,
    ) -> Result<Caller, AwsError> {
        let inner = self.lock();
        if let Some(session) = inner.sessions.get(key) {
            if token != Some(session.session_token.as_str()) {
                return Err(service.unknown_key());
            }
            if session.expires_at <= now {
                return Err(service.expired_token());
            }
            return Ok(session.caller.clone());
        }
        let account = match &inner.keys {
            None if !key.starts_with(SESSION_KEY_PREFIX) => Some(DEFAULT_ACCOUNT),
            None => None,
            Some(keys) => keys.get(key).map(String::as_str),
        };
        let account = account.ok_or_else(|| service.unknown_key())?;
        Ok(Caller {
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{key}"),
            user_id: format!("AIDA{}", crate::ids::stable(key, 17)),
            temporary: false,
        })
    }

    /// Issues temporary credentials.
    pub(crate) fn issue(&self, caller: Caller, expires_at: i64) -> Session {
        let session = Session {
            access_key_id: format!("{SESSION_KEY_PREFIX}{}", crate::ids::upper(8)),
            secret_access_key: crate::ids::upper(40),
            session_token: crate::ids::upper(120),
            expires_at,
            caller,
        };
        let mut inner = self.lock();
        if inner.issued.len() == MAX_SESSIONS
            && let Some(oldest) = inner.issued.pop_front()
        {
            inner.sessions.remove(&oldest);
        }
        inner.issued.push_back(session.access_key_id.clone());
        inner
            .sessions
            .insert(session.access_key_id.clone(), session.clone());
        session
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
