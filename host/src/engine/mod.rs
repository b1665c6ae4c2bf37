//! Calls a component in a sandbox.
//!
//! This is the only file that names `wasmtime`. Each call gets a fresh instance with a cap on its
//! memory and a deadline; nothing of one call is left for the next.

mod cache;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, PoolingAllocationConfig, ResourceLimiter, Store, Trap};

pub use cache::Cache;

/// What `wasmtime` makes of `wit/policy.wit`.
#[allow(missing_docs, reason = "the contract documents its items")]
#[allow(clippy::pedantic, reason = "generated")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/policy.wit",
        world: "policy",
        additional_derives: [PartialEq, Clone, serde::Serialize, serde::Deserialize],
    });
}

/// The types of the contract.
pub use bindings::exports::stridegate::policy::mitigation as contract;

/// The interface that this host speaks.
pub const INTERFACE: &str = "stridegate:policy/mitigation@0.1.0";

/// How often the clock of the deadlines ticks.
const TICK: Duration = Duration::from_millis(10);

/// The address space that each instance gets: all that it could address, so that its code needs no
/// checks of bounds. No limit allows more memory than that.
const MEMORY_RESERVATION: usize = 4 << 30;

/// For how many components each thread keeps a memory that holds their data already. An instance in
/// the memory of another component maps its data anew, which costs more than most answers. That is
/// address space: of what a memory does not use there is nothing.
const WARM: u32 = 32;

/// The stack that a component can use of its thread. Threads that call components need twice
/// that.
const STACK: usize = 512 << 10;

/// The most data that a component can hand over in one call.
const ANSWER: usize = 64 << 20;

/// What one call may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of memory. A call whose input is larger than a 32nd of that gets 32 times its input.
    pub memory: usize,
    /// Time.
    pub deadline: Duration,
    /// When all calls have to be at their end; none if there is no such moment.
    pub until: Option<Instant>,
}

impl Default for Limits {
    /// What applies at the desk.
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            deadline: Duration::from_secs(1),
            until: None,
        }
    }
}

impl Limits {
    /// How much time a call that begins now may take.
    fn time(&self) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until
            .map_or(self.deadline, |until| left(until).min(self.deadline))
    }
}

/// Why a call gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It ran into its deadline.
    Timeout(Duration),
    /// It asked for more memory than its limit, in bytes, or handed over too much.
    Memory(usize),
    /// It stopped itself, or was stopped, for another reason.
    Trap(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout(deadline) if deadline.is_zero() => {
                f.write_str("was not asked: those before it took all the time")
            }
            Self::Timeout(deadline) => {
                write!(f, "gave no answer within {} ms", deadline.as_millis())
            }
            Self::Memory(limit) => write!(f, "needed more than {} MiB of memory", limit >> 20),
            Self::Trap(why) => write!(f, "crashed: {why}"),
        }
    }
}

/// Runs components.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    places: Arc<Places>,
    limits: Limits,
    digest: Arc<str>,
}

impl Engine {
    /// An engine that makes up to `parallel` calls at a time. Others wait, as long as they may take.
    pub fn new(parallel: u32, limits: Limits) -> anyhow::Result<Self> {
        // Some kernels have less address space than that.
        let inner = sandbox(parallel, WARM)
            .or_else(|_| sandbox(parallel, 1))
            .map_err(anyhow::Error::from)
            .context("cannot prepare the sandbox for policies")?;
        let mut digest = Sha256Hasher(Sha256::new());
        inner.precompile_compatibility_hash().hash(&mut digest);
        tick(&inner);
        Ok(Self {
            inner,
            places: Arc::new(Places {
                free: Mutex::new(parallel),
                freed: Condvar::new(),
            }),
            limits,
            digest: hex(&digest.0.finalize()).into(),
        })
    }

    /// The same engine, whose calls have to be at their end at some moment.
    #[must_use]
    pub fn until(&self, moment: Instant) -> Self {
        let mut engine = self.clone();
        engine.limits.until = Some(moment);
        engine
    }

    /// What compiled code depends on, apart from its component: version, settings, processor.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Compiles a component, after it has been refused if this host cannot run it.
    pub fn compile(&self, component: &[u8]) -> anyhow::Result<(Code, Vec<u8>)> {
        match component.get(..8) {
            Some([0, b'a', b's', b'm', _, _, 1, 0]) => {}
            Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
                bail!(
                    "is a core module; build it as a component, for instance with cargo component build"
                )
            }
            _ => bail!("is not WebAssembly"),
        }
        let component = Component::from_binary(&self.inner, component)
            .map_err(anyhow::Error::from)
            .context("is not a valid component")?;
        self.check_interface(&component)?;
        let compiled = component
            .serialize()
            .map_err(anyhow::Error::from)
            .context("cannot keep the compiled code")?;
        Ok((self.prepare(&component)?, compiled))
    }

    fn check_interface(&self, component: &Component) -> anyhow::Result<()> {
        let component_type = component.component_type();
        let imports: Vec<&str> = component_type
            .imports(&self.inner)
            .map(|(name, _)| name)
            .collect();
        ensure!(
            imports.is_empty(),
            "imports {}; a policy imports nothing, build it for wasm32-unknown-unknown",
            imports.join(", ")
        );
        let exports: Vec<&str> = component_type
            .exports(&self.inner)
            .map(|(name, _)| name)
            .collect();
        if exports.contains(&INTERFACE) {
            return Ok(());
        }
        let interface = INTERFACE.split('@').next().unwrap_or_default();
        match exports
            .iter()
            .find(|name| name.split('@').next() == Some(interface))
        {
            Some(other) => bail!(
                "speaks {other}; this host speaks {INTERFACE}: rebuild it with this version's wit/policy.wit"
            ),
            None => bail!("does not export {INTERFACE}; it is no policy of Stridegate"),
        }
    }

    /// Takes code that [`Self::compile`] made. It is machine code and runs outside the sandbox's
    /// reach until it enters it.
    fn load(&self, compiled: &[u8]) -> anyhow::Result<Code> {
        #[expect(unsafe_code, reason = "compiled code is loaded as it is")]
        // SAFETY: the bytes come from the cache, which hands out only what nobody but this user
        // and root could have written.
        let component = unsafe { Component::deserialize(&self.inner, compiled) }?;
        self.prepare(&component)
    }

    fn prepare(&self, component: &Component) -> anyhow::Result<Code> {
        let instance = Linker::new(&self.inner)
            .instantiate_pre(component)
            .map_err(anyhow::Error::from)
            .context("cannot be linked")?;
        let policy = bindings::PolicyPre::new(instance).map_err(anyhow::Error::from).with_context(|| format!("does not match the types of {INTERFACE}: rebuild it with this version's wit/policy.wit"))?;
        Ok(Code { policy })
    }

    /// The code of a component: from the cache, or else compiled and kept there.
    pub fn code(
        &self,
        component: &[u8],
        digest: &str,
        cache: Option<&Cache>,
    ) -> anyhow::Result<Code> {
        let name = format!("{digest}-{}.cwasm", self.digest);
        if let Some(code) = cache
            .and_then(|cache| cache.read(&name))
            .and_then(|compiled| self.load(&compiled).ok())
        {
            return Ok(code);
        }
        let (code, compiled) = self.compile(component)?;
        if let Some(cache) = cache {
            cache.write(&name, &compiled);
        }
        Ok(code)
    }
}

/// The SHA-256 digest of bytes, in hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The calls that can still be made.
struct Places {
    free: Mutex<u32>,
    freed: Condvar,
}

/// What a call takes, and gives back at its end.
struct Place<'a>(&'a Places);

impl Places {
    fn take(&self, patience: Duration) -> Option<Place<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .freed
            .wait_timeout_while(free, patience, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Place(self))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let free = self.0.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

/// Prepares as many instances as calls are made at a time, and so many memories for each.
fn sandbox(parallel: u32, warm: u32) -> wasmtime::Result<wasmtime::Engine> {
    let memories = parallel.saturating_mul(warm);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(parallel)
        .total_core_instances(parallel * 4)
        .total_memories(memories)
        .max_unused_warm_slots(memories)
        .total_tables(parallel * 2)
        .max_core_instances_per_component(4)
        .max_memories_per_component(1)
        .max_tables_per_component(2)
        .max_memory_size(MEMORY_RESERVATION)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(8 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(pool)
        .memory_reservation(MEMORY_RESERVATION as u64)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .wasm_component_model(true);
    wasmtime::Engine::new(&config)
}

/// Moves the clock of the deadlines for as long as the engine lives.
fn tick(engine: &wasmtime::Engine) {
    let engine = engine.weak();
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    });
}

/// A component that is ready to be called.
pub struct Code {
    policy: bindings::PolicyPre<Guard>,
}

/// Keeps an instance within its memory.
struct Guard {
    memory: usize,
    exceeded: bool,
}

impl ResourceLimiter for Guard {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory && maximum.is_none_or(|maximum| desired <= maximum);
        self.exceeded |= !allowed;
        Ok(allowed)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= 10_000 && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

impl Code {
    /// The names of what the component exports.
    #[must_use]
    pub fn exports(&self) -> Vec<String> {
        let component = self.policy.instance_pre().component().component_type();
        let exports = component.exports(self.policy.engine());
        exports.map(|(name, _)| name.to_owned()).collect()
    }

    /// What the policy says of itself.
    pub fn describe(&self, engine: &Engine) -> Result<contract::Description, Failure> {
        self.call(engine, 0, |policy, store| policy.call_describe(store))
    }

    /// What is wrong with parameters.
    pub fn validate(
        &self,
        engine: &Engine,
        parameters: &str,
    ) -> Result<Result<(), Vec<contract::Problem>>, Failure> {
        self.call(engine, parameters.len(), |policy, store| {
            policy.call_validate(store, &parameters.to_owned())
        })
    }

    /// What the policy says of an object.
    pub fn evaluate(
        &self,
        engine: &Engine,
        object: &contract::Object,
        parameters: &str,
    ) -> Result<Result<Vec<contract::Check>, contract::Refusal>, Failure> {
        let input = object.document.len() + object.context.len() + parameters.len();
        self.call(engine, input, |policy, store| {
            policy.call_evaluate(store, object, &parameters.to_owned())
        })
    }

    fn call<T>(
        &self,
        engine: &Engine,
        input: usize,
        function: impl FnOnce(&contract::Guest, &mut Store<Guard>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        let limits = engine.limits;
        let place = engine.places.take(limits.time());
        let time = limits.time();
        let Some(_place) = place.filter(|_| !time.is_zero()) else {
            return Err(Failure::Timeout(Duration::ZERO));
        };
        let memory = limits
            .memory
            .max(input.saturating_mul(32))
            .min(MEMORY_RESERVATION);
        let mut store = Store::new(
            self.policy.engine(),
            Guard {
                memory,
                exceeded: false,
            },
        );
        store.limiter(|guard| guard);
        // One more than the deadline holds, because the first tick can come at any moment.
        let ticks = time.as_millis().div_ceil(TICK.as_millis()) + 1;
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
        store.set_hostcall_fuel(ANSWER);
        let answer = self
            .policy
            .instantiate(&mut store)
            .and_then(|policy| function(policy.stridegate_policy_mitigation(), &mut store));
        answer.map_err(|error| failure(&error, store.data(), time))
    }
}

fn failure(error: &wasmtime::Error, guard: &Guard, time: Duration) -> Failure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::Timeout(time),
        _ if guard.exceeded => Failure::Memory(guard.memory),
        Some(Trap::StackOverflow) => Failure::Trap("it recursed too deep".into()),
        Some(trap) => Failure::Trap(trap.to_string()),
        None => Failure::Trap(format!("{error:#}")),
    }
}
