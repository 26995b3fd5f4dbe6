//! The seller and the buyer.

use crate::model::{Identifier, Party};

use super::element::Element;
use super::reader::Reader;

/// Where a party stands, and the ids of the rules about it.
pub struct Role {
    pub element: &'static str,
    /// The name is there.
    pub name: &'static str,
    /// The electronic address is there.
    pub endpoint: &'static str,
    /// It has a scheme.
    pub scheme: &'static str,
}

pub const SELLER: Role = Role {
    element: "cac:AccountingSupplierParty",
    name: "BR-06",
    endpoint: "PEPPOL-EN16931-R020",
    scheme: "BR-62",
};
pub const BUYER: Role = Role {
    element: "cac:AccountingCustomerParty",
    name: "BR-07",
    endpoint: "PEPPOL-EN16931-R010",
    scheme: "BR-63",
};

pub fn read(reader: &mut Reader<'_>, root: &Element<'_, '_>, role: &Role) -> Party {
    let Some(outer) = reader.need(root, role.element, role.name) else {
        return Party::default();
    };
    let Some(party) = reader.need(&outer, "cac:Party", role.name) else {
        return Party::default();
    };
    let endpoint = endpoint(reader, &party, role);
    let ids = party
        .all("cac:PartyIdentification")
        .filter_map(|element| reader.one(&element, "cbc:ID").and_then(|id| reader.identifier(&id)))
        .collect();
    let country = reader.one(&party, "cac:PostalAddress").and_then(|address| {
        let country = reader.one(&address, "cac:Country")?;
        reader.text(&country, "cbc:IdentificationCode")
    });
    let (name, legal_id) = legal_entity(reader, &party, role.name);
    Party { name, endpoint, ids, legal_id, vat_id: vat_id(reader, &party), country }
}

fn endpoint(reader: &mut Reader<'_>, party: &Element<'_, '_>, role: &Role) -> Option<Identifier> {
    let element = reader.need(party, "cbc:EndpointID", role.endpoint)?;
    let endpoint = reader.identifier(&element);
    match &endpoint {
        None => reader.find(role.endpoint, &element, "`cbc:EndpointID` is empty"),
        Some(Identifier { scheme: None, .. }) => {
            reader.find(role.scheme, &element, "the scheme (`schemeID`) is missing")
        }
        Some(_) => {}
    }
    endpoint
}

fn legal_entity(
    reader: &mut Reader<'_>,
    party: &Element<'_, '_>,
    name: &'static str,
) -> (String, Option<Identifier>) {
    let Some(entity) = reader.need(party, "cac:PartyLegalEntity", name) else {
        return (String::new(), None);
    };
    let legal_name = reader.needed_text(&entity, "cbc:RegistrationName", name);
    let legal_id = reader.one(&entity, "cbc:CompanyID").and_then(|element| reader.identifier(&element));
    (legal_name, legal_id)
}

/// A party may have a number in several tax schemes; the one for VAT is read.
fn vat_id(reader: &mut Reader<'_>, party: &Element<'_, '_>) -> Option<String> {
    party.all("cac:PartyTaxScheme").find_map(|element| {
        let scheme =
            reader.one(&element, "cac:TaxScheme").and_then(|scheme| reader.text(&scheme, "cbc:ID"))?;
        if !scheme.eq_ignore_ascii_case("VAT") {
            return None;
        }
        reader.text(&element, "cbc:CompanyID")
    })
}
