//! Calls with their arguments, made up by type: lowered as the Canonical ABI says, then spoilt here and there.

use arbitrary::{Result, Unstructured};
use wit_parser::{Type, TypeDefKind};

use super::interpreter::{BASE, CALL, MAX_CALLS, RETURN, RETURNS};
use super::world::{Import, World};

/// Texts that mean something to a room.
const TEXTS: &[&str] = &[
    "granted",
    "loose",
    "withheld",
    "invoice",
    "delivery",
    "2026-03-31",
    "2026-12-31T23:30:00+01:00",
    "2026-02-30",
    "thing/1",
    "go",
    "work",
    "{}",
    "POST",
    "GET",
    "https://receiver.example/a",
    "https://receiver.example:443@evil.example",
    "x-a",
    "total",
    "1250.00",
    "-0",
    "1e9",
    "ed25519",
    "a\0b",
    "",
    "host",
    "a:b",
    "approved",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];
/// What an input of the interpreter may be.
const MAX_IMAGE: usize = 1 << 20;

/// A value of one core parameter, or the place where it stands.
#[derive(Clone, Copy)]
enum Slot {
    Value(u64),
    At(u32),
}

pub struct Program {
    /// From [`BASE`] on.
    image: Vec<u8>,
    calls: Vec<(u32, Vec<Slot>)>,
    carried: u64,
    /// False: something is not what its type says, or comes from an answer.
    exact: bool,
}

impl Program {
    pub fn arbitrary(u: &mut Unstructured<'_>, world: &World) -> Result<Self> {
        let mut program = Self { image: vec![0; 8], calls: Vec::new(), carried: 0, exact: true };
        let count = u.int_in_range(1..=12)?;
        for at in 0..count {
            let import = u.choose_index(world.imports.len())?;
            let slots = program.arguments(u, world, &world.imports[import], at)?;
            program.calls.push((u32::try_from(import).unwrap(), slots));
        }
        program.repeated(u)?;
        if u.ratio(1, 4)? {
            program.spoilt(u)?;
        }
        Ok(program)
    }

    /// As the interpreter reads it.
    pub fn input(&self) -> Vec<u8> {
        let mut bytes = self.image.clone();
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let at = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&u32::try_from(self.calls.len()).unwrap().to_le_bytes());
        bytes[4..8].copy_from_slice(&at.to_le_bytes());
        for (import, slots) in &self.calls {
            let start = bytes.len();
            bytes.extend(u64::from(*import).to_le_bytes());
            for slot in slots {
                let (flag, value) = match slot {
                    Slot::Value(value) => (0u64, *value),
                    Slot::At(place) => (1, u64::from(*place)),
                };
                bytes.extend(flag.to_le_bytes());
                bytes.extend(value.to_le_bytes());
            }
            bytes.resize(start + CALL, 0);
        }
        bytes
    }

    /// The bytes that all calls together carry into the host, where that is known.
    pub fn carried(&self) -> Option<u64> {
        self.exact.then_some(self.carried)
    }

    fn arguments(
        &mut self,
        u: &mut Unstructured<'_>,
        world: &World,
        import: &Import,
        at: u32,
    ) -> Result<Vec<Slot>> {
        let mut slots = Vec::new();
        let Some((function, signature)) = &import.function else {
            return Ok(vec![Slot::Value(self.handle(u)?)]);
        };
        assert!(!signature.indirect_params, "{}", import.name);
        for param in &function.params {
            self.flat(u, world, &param.ty, &mut slots)?;
        }
        if signature.retptr {
            slots.push(Slot::Value(u64::from(RETURNS + at * RETURN)));
        }
        Ok(slots)
    }

    /// The last call again, as a guest that floods.
    fn repeated(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let Some(last) = self.calls.last().cloned() else { return Ok(()) };
        if u.ratio(1, 8)? {
            // How much the call itself carried is not kept.
            self.exact = false;
            self.calls.resize(MAX_CALLS, last);
        }
        Ok(())
    }

    fn spoilt(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.exact = false;
        for _ in 0..u.int_in_range(1..=4)? {
            match u.choose_index(3)? {
                0 => {
                    let at = u.choose_index(self.image.len())?;
                    self.image[at] = u.arbitrary()?;
                }
                1 => {
                    let call = u.choose_index(self.calls.len())?;
                    let slots = &mut self.calls[call].1;
                    if !slots.is_empty() {
                        let at = u.choose_index(slots.len())?;
                        slots[at] =
                            Slot::Value(*u.choose(&[0, 1, 2, 0xffff, 0x7fff_ffff, 0xffff_fff8, u64::MAX])?);
                    }
                }
                _ => {
                    let call = u.choose_index(self.calls.len())?;
                    self.calls[call].0 = u.arbitrary()?;
                }
            }
        }
        Ok(())
    }

    /// Handles count from 1 in each call.
    fn handle(&mut self, u: &mut Unstructured<'_>) -> Result<u64> {
        // Which call gets which handle is not followed here: one that does not fit traps.
        u.int_in_range(1..=4)
    }

    /// As core parameters.
    fn flat(
        &mut self,
        u: &mut Unstructured<'_>,
        world: &World,
        kind: &Type,
        slots: &mut Vec<Slot>,
    ) -> Result<()> {
        match kind {
            Type::Bool => slots.push(Slot::Value(u64::from(u.arbitrary::<bool>()?))),
            Type::String => {
                let (place, length) = self.text(u)?;
                slots.extend([place, length]);
            }
            Type::Id(id) => return self.flat_defined(u, world, &world.resolve.types[*id].kind, slots),
            other => slots.push(Slot::Value(number(u, other)?)),
        }
        Ok(())
    }

    fn flat_defined(
        &mut self,
        u: &mut Unstructured<'_>,
        world: &World,
        kind: &TypeDefKind,
        slots: &mut Vec<Slot>,
    ) -> Result<()> {
        match kind {
            TypeDefKind::Type(same) => self.flat(u, world, same, slots)?,
            TypeDefKind::Record(record) => {
                record.fields.iter().try_for_each(|field| self.flat(u, world, &field.ty, slots))?;
            }
            TypeDefKind::Tuple(tuple) => {
                tuple.types.iter().try_for_each(|kind| self.flat(u, world, kind, slots))?
            }
            TypeDefKind::List(element) => {
                let (place, length) = self.list(u, world, element)?;
                slots.extend([place, length].map(|value| Slot::Value(u64::from(value))));
            }
            TypeDefKind::Enum(cases) => slots.push(Slot::Value(u.choose_index(cases.cases.len())? as u64)),
            TypeDefKind::Handle(_) => slots.push(Slot::Value(self.handle(u)?)),
            TypeDefKind::Option(some) => self.flat_case(u, world, &[None, Some(*some)], slots)?,
            TypeDefKind::Variant(variant) => {
                let cases: Vec<_> = variant.cases.iter().map(|case| case.ty).collect();
                self.flat_case(u, world, &cases, slots)?;
            }
            other => panic!("no parameter of the kernel is {other:?}"),
        }
        Ok(())
    }

    /// The case's number, its value, and zeros up to the length of the longest one.
    fn flat_case(
        &mut self,
        u: &mut Unstructured<'_>,
        world: &World,
        cases: &[Option<Type>],
        slots: &mut Vec<Slot>,
    ) -> Result<()> {
        let longest = cases.iter().flatten().map(|kind| width(world, kind)).max().unwrap_or(0);
        let case = u.choose_index(cases.len())?;
        slots.push(Slot::Value(case as u64));
        let end = slots.len() + longest;
        if let Some(kind) = &cases[case] {
            self.flat(u, world, kind, slots)?;
        }
        slots.resize(end, Slot::Value(0));
        Ok(())
    }

    /// A text's place and length: of its own, or what stands in an earlier answer.
    fn text(&mut self, u: &mut Unstructured<'_>) -> Result<(Slot, Slot)> {
        if !self.calls.is_empty() && u.ratio(1, 8)? {
            self.exact = false;
            let of = u32::try_from(u.choose_index(self.calls.len())?).unwrap();
            let place = RETURNS + of * RETURN + 4 * u.int_in_range(0..=5)?;
            return Ok((Slot::At(place), Slot::At(place + 4)));
        }
        let (place, length) = self.string(u)?;
        Ok((Slot::Value(place.into()), Slot::Value(length.into())))
    }

    fn string(&mut self, u: &mut Unstructured<'_>) -> Result<(u32, u32)> {
        let bytes = match u.int_in_range(0..=15)? {
            0 => u.arbitrary::<String>()?.into_bytes(),
            1 => vec![b'x'; u.int_in_range(0..=9_000)?],
            2 => {
                let bytes: Vec<u8> = u.arbitrary()?;
                self.exact &= std::str::from_utf8(&bytes).is_ok();
                bytes
            }
            _ => u.choose(TEXTS)?.as_bytes().to_vec(),
        };
        self.carried += bytes.len() as u64;
        Ok(self.put(&bytes, 1))
    }

    fn list(&mut self, u: &mut Unstructured<'_>, world: &World, element: &Type) -> Result<(u32, u32)> {
        if matches!(element, Type::U8) {
            return self.string(u);
        }
        let size = world.sizes.size(element).size_wasm32();
        let count = match u.int_in_range(0..=15)? {
            0 => u.int_in_range(0..=70)?,
            1 => u.int_in_range(0..=3_000)?,
            _ => u.int_in_range(0..=3)?,
        };
        let (at, _) = self.put(&vec![0; size * count], world.sizes.align(element).align_wasm32());
        self.carried += (size * count) as u64;
        // A long list has few values of its own.
        for index in 0..count.min(70) {
            self.store(u, world, element, (at - BASE) as usize + index * size)?;
        }
        Ok((at, u32::try_from(count).unwrap()))
    }

    /// Into memory, at an offset of the image.
    fn store(&mut self, u: &mut Unstructured<'_>, world: &World, kind: &Type, at: usize) -> Result<()> {
        match kind {
            Type::String => {
                let (place, length) = self.string(u)?;
                self.image[at..at + 4].copy_from_slice(&place.to_le_bytes());
                self.image[at + 4..at + 8].copy_from_slice(&length.to_le_bytes());
            }
            Type::Bool => self.image[at] = u8::from(u.arbitrary::<bool>()?),
            Type::Id(id) => match &world.resolve.types[*id].kind {
                TypeDefKind::Type(same) => self.store(u, world, same, at)?,
                TypeDefKind::Tuple(tuple) => {
                    for (offset, kind) in world.sizes.field_offsets(&tuple.types) {
                        self.store(u, world, kind, at + offset.size_wasm32())?;
                    }
                }
                TypeDefKind::Variant(variant) => {
                    let case = u.choose_index(variant.cases.len())?;
                    self.image[at] = u8::try_from(case).unwrap();
                    let kinds = variant.cases.iter().map(|case| case.ty.as_ref());
                    let offset = world.sizes.payload_offset(variant.tag(), kinds).size_wasm32();
                    if let Some(kind) = &variant.cases[case].ty {
                        self.store(u, world, kind, at + offset)?;
                    }
                }
                other => panic!("no list of the kernel holds {other:?}"),
            },
            other => panic!("no list of the kernel holds {other:?}"),
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8], align: usize) -> (u32, u32) {
        self.image.resize(self.image.len().next_multiple_of(align), 0);
        let at = self.image.len();
        // An image that is full repeats what stands at its start.
        if at + bytes.len() > MAX_IMAGE {
            self.exact = false;
            return (BASE, 0);
        }
        self.image.extend_from_slice(bytes);
        (BASE + u32::try_from(at).unwrap(), u32::try_from(bytes.len()).unwrap())
    }
}

/// How many core values a type becomes.
fn width(world: &World, kind: &Type) -> usize {
    let of_all = |kinds: &mut dyn Iterator<Item = Type>| kinds.map(|kind| width(world, &kind)).sum::<usize>();
    match kind {
        Type::String => 2,
        Type::Id(id) => match &world.resolve.types[*id].kind {
            TypeDefKind::Type(same) => width(world, same),
            TypeDefKind::Record(record) => of_all(&mut record.fields.iter().map(|field| field.ty)),
            TypeDefKind::Tuple(tuple) => of_all(&mut tuple.types.iter().copied()),
            TypeDefKind::List(_) => 2,
            TypeDefKind::Option(some) => 1 + width(world, some),
            TypeDefKind::Variant(variant) => {
                1 + variant
                    .cases
                    .iter()
                    .filter_map(|case| case.ty)
                    .map(|kind| width(world, &kind))
                    .max()
                    .unwrap_or(0)
            }
            _ => 1,
        },
        _ => 1,
    }
}

fn number(u: &mut Unstructured<'_>, kind: &Type) -> Result<u64> {
    let any: u64 = *u.choose(&[0, 1, 2, 59, 86_400, 2_592_000, 0x7fff_ffff, 0xffff_ffff, u64::MAX])?;
    Ok(match kind {
        Type::U8 => any & 0xff,
        Type::U16 => any & 0xffff,
        Type::U32 => any & 0xffff_ffff,
        Type::U64 => any,
        other => panic!("no parameter of the kernel is {other:?}"),
    })
}
