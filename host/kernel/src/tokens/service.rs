use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bulla_base::{Entropy, TenantId};
use bulla_store::{Expect, StoreError, Unit};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use super::error::TokenError;
use super::model::{NewToken, Token, TokenHash, TokenId, TokenText};
use super::store::{self, Mark, TOKENS, TokenRow};
use crate::Core;
use crate::mirror::MAX_STALENESS;
use crate::origin::Origin;
use crate::ports::Principal;

pub struct Tokens {
    core: Core,
    view: ArcSwap<View>,
    /// Keeps a refresh from putting what it read before a write over what the write left.
    writing: Mutex<()>,
}

#[derive(Clone)]
struct View {
    mark: Mark,
    /// The monotonic time before which everything is known.
    at: Duration,
    tokens: Arc<HashMap<TokenHash, Arc<Token>>>,
}

impl Tokens {
    pub async fn load(core: Core) -> Result<Self, TokenError> {
        let view = View::read(&core).await?;
        Ok(Self { core, view: ArcSwap::from_pointee(view), writing: Mutex::new(()) })
    }

    /// Whom the token stands for. No database, no allocation but the principal's.
    pub fn authenticate(&self, text: &str) -> Result<Principal, TokenError> {
        let view = self.fresh()?;
        let hash = TokenHash::of(text).ok_or(TokenError::Unknown)?;
        // The look-up's time tells about the hash of what was sent, not about a stored token; the comparison that decides
        // takes the same time wherever the two differ.
        let (stored, token) = view.tokens.get_key_value(&hash).ok_or(TokenError::Unknown)?;
        if !bool::from(stored.0.ct_eq(&hash.0)) {
            return Err(TokenError::Unknown);
        }
        token.principal(self.core.now_ms())
    }

    /// Draws a token. Its text is in the answer and nowhere else.
    pub async fn create(
        &self,
        origin: &Origin,
        new: &NewToken,
    ) -> Result<(Arc<Token>, TokenText), TokenError> {
        let now_ms = self.core.now_ms();
        new.check(now_ms)?;
        let text = TokenText::draw(&Entropy);
        let token = Token {
            id: TokenId::draw(self.core.rng.as_ref()),
            subject: new.subject.clone(),
            tenant: new.tenant.clone(),
            roles: new.roles.clone(),
            hint: text.hint(),
            created_by: origin.subject.to_string(),
            created_ms: now_ms,
            expires_ms: new.expires_ms,
            revoked_ms: None,
        };
        let row = TokenRow::new(&token, text.hash());
        // Who may make tokens may make one in another's name: the log says whose.
        let detail = json!({"for": token.subject, "roles": token.roles, "expires-ms": token.expires_ms});
        let token = self.write(origin, Expect::Fresh, row, "token.created", detail).await?;
        Ok((token, text))
    }

    /// All tokens of the tenant (`None`: of the operators), the oldest first; revoked and expired ones too.
    pub fn list(&self, tenant: Option<&TenantId>) -> Result<Vec<Arc<Token>>, TokenError> {
        let view = self.fresh()?;
        let mut tokens: Vec<_> =
            view.tokens.values().filter(|one| one.tenant.as_ref() == tenant).cloned().collect();
        tokens.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Ok(tokens)
    }

    /// Ends a token of the tenant (`None`: of the operators). Once this returns, this node no longer takes it.
    pub async fn revoke(
        &self,
        origin: &Origin,
        tenant: Option<&TenantId>,
        id: &TokenId,
    ) -> Result<Arc<Token>, TokenError> {
        match self.revoke_once(origin, tenant, id).await {
            // Another node revoked it in between, which the second look finds.
            Err(TokenError::Store(StoreError::Conflict { .. })) => self.revoke_once(origin, tenant, id).await,
            other => other,
        }
    }

    async fn revoke_once(
        &self,
        origin: &Origin,
        tenant: Option<&TenantId>,
        id: &TokenId,
    ) -> Result<Arc<Token>, TokenError> {
        let missing = || TokenError::NotFound { id: id.clone() };
        let mut row = store::one(&self.core.db, tenant, id).await?.ok_or_else(missing)?;
        if row.revoked_ms.is_some() {
            self.refresh().await?;
            return Ok(Arc::new(row.token()?.1));
        }
        row.revoked_ms = Some(self.core.now_ms());
        self.write(origin, Expect::Version(row.version), row, "token.revoked", json!({})).await
    }

    /// Reads what other nodes changed. To be called every
    /// [`REFRESH_EVERY`](crate::mirror::REFRESH_EVERY); without a change it costs one query.
    pub async fn refresh(&self) -> Result<(), TokenError> {
        let _writing = self.writing.lock().await;
        let at = self.core.clock.monotonic();
        let view = self.view.load();
        let next = if store::mark(&self.core.db).await? == view.mark {
            View { at, ..View::clone(&view) }
        } else {
            View::read(&self.core).await?
        };
        self.view.store(Arc::new(next));
        Ok(())
    }

    async fn write(
        &self,
        origin: &Origin,
        expect: Expect,
        row: TokenRow,
        event: &str,
        detail: serde_json::Value,
    ) -> Result<Arc<Token>, TokenError> {
        let (hash, token) = row.token()?;
        let token = Arc::new(token);
        let log = Origin { tenant: token.tenant.clone(), ..origin.clone() };
        let mut unit = Unit::default();
        unit.put(&TOKENS, token.id.as_str(), expect, &row);
        unit.record(log.entry(event, token.id.as_str(), detail));

        let _writing = self.writing.lock().await;
        self.core.committer.commit(unit).await?;
        let mut view = View::clone(&self.view.load());
        view.mark.version_sum += 1;
        if Arc::make_mut(&mut view.tokens).insert(hash, token.clone()).is_none() {
            view.mark.row_count += 1;
        }
        self.view.store(Arc::new(view));
        Ok(token)
    }

    fn fresh(&self) -> Result<Arc<View>, TokenError> {
        let view = self.view.load_full();
        let age = self.core.clock.monotonic().saturating_sub(view.at);
        if self.core.db.is_postgres() && age > MAX_STALENESS { Err(TokenError::Stale) } else { Ok(view) }
    }
}

impl View {
    /// The mark is read first: a change between the two reads is seen again by the next refresh.
    async fn read(core: &Core) -> Result<Self, StoreError> {
        let at = core.clock.monotonic();
        let mark = store::mark(&core.db).await?;
        let rows = store::all(&core.db).await?;
        let tokens = rows.iter().map(|row| row.token().map(|(hash, token)| (hash, Arc::new(token))));
        Ok(Self { mark, at, tokens: Arc::new(tokens.collect::<Result<_, _>>()?) })
    }
}
