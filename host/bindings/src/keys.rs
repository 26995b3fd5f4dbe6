//! `bulla:kernel/keys`

use bulla_base::{Alias, Purpose};
use bulla_engine::{CallState, schedule::host};
use bulla_kernel::keys::Signature as KernelSignature;
use wasmtime::component::Resource;

use crate::convert::{Answer, name, ok_or_tell, told};
use crate::state::HostState;
use crate::world::bulla::kernel::keys::{Host, HostSigningKey, Signature};

/// An open key: its name, never the key.
pub struct KeyHandle {
    alias: Alias,
    purpose: Purpose,
}

impl Host for HostState {}

impl HostState {
    fn key(&self, handle: &Resource<KeyHandle>) -> wasmtime::Result<(Alias, Purpose)> {
        let KeyHandle { alias, purpose } = self.handles.get(handle)?;
        Ok((alias.clone(), purpose.clone()))
    }
}

impl HostSigningKey for HostState {
    fn open(&mut self, alias: String, purpose: String) -> Answer<Resource<KeyHandle>> {
        self.meter().charge(&host::KEYS_OPEN, alias.len() + purpose.len())?;
        let alias: Alias = ok_or_tell!(name(&alias));
        let purpose: Purpose = ok_or_tell!(name(&purpose));
        ok_or_tell!(told(self.rooms.keys.open(&mut self.call, &alias, &purpose)));
        Ok(Ok(self.handles.push(KeyHandle { alias, purpose })?))
    }

    fn sign(&mut self, handle: Resource<KeyHandle>, payload: Vec<u8>) -> Answer<Signature> {
        self.meter().charge(&host::KEYS_SIGN, payload.len())?;
        let (alias, purpose) = self.key(&handle)?;
        let signed = ok_or_tell!(told(self.rooms.keys.sign(&mut self.call, &alias, &purpose, &payload)));
        self.meter().give(signed.bytes.len() + signed.algorithm.len())?;
        let KernelSignature { bytes, algorithm, key_version } = signed;
        Ok(Ok(Signature { bytes, algorithm, key_version }))
    }

    fn verify(
        &mut self,
        handle: Resource<KeyHandle>,
        payload: Vec<u8>,
        signature: Signature,
    ) -> Answer<bool> {
        let bytes = payload.len() + signature.bytes.len() + signature.algorithm.len();
        self.meter().charge(&host::KEYS_VERIFY, bytes)?;
        let (alias, purpose) = self.key(&handle)?;
        let Signature { bytes, algorithm, key_version } = signature;
        let signature = KernelSignature { bytes, algorithm, key_version };
        Ok(told(self.rooms.keys.verify(&mut self.call, &alias, &purpose, &payload, &signature)))
    }

    fn public_key(&mut self, handle: Resource<KeyHandle>) -> Answer<Vec<u8>> {
        self.meter().charge(&host::KEYS_PUBLIC_KEY, 0)?;
        let (alias, purpose) = self.key(&handle)?;
        let key = ok_or_tell!(told(self.rooms.keys.public_key(&mut self.call, &alias, &purpose)));
        self.meter().give(key.len())?;
        Ok(Ok(key.to_vec()))
    }

    fn drop(&mut self, handle: Resource<KeyHandle>) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}
