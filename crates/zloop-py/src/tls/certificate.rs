//! Certificates as `ssl.SSLSocket.getpeercert()` has them.

use std::net::IpAddr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use x509_parser::asn1_rs::Tag;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS, OID_PKIX_ACCESS_DESCRIPTOR_OCSP,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

/// The dictionary of a certificate in DER.
///
/// # Errors
/// `ValueError` if it is none.
#[pyfunction]
pub fn decode_certificate<'py>(py: Python<'py>, der: &[u8]) -> PyResult<Bound<'py, PyDict>> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|error| PyValueError::new_err(format!("not a certificate: {error}")))?;
    let decoded = PyDict::new(py);
    decoded.set_item("subject", name(py, certificate.subject())?)?;
    decoded.set_item("issuer", name(py, certificate.issuer())?)?;
    decoded.set_item("version", certificate.version().0 + 1)?;
    decoded.set_item("serialNumber", serial_number(certificate.raw_serial()))?;
    decoded.set_item("notBefore", time(certificate.validity().not_before))?;
    decoded.set_item("notAfter", time(certificate.validity().not_after))?;
    let (mut ocsp, mut issuers, mut revocation_lists) = (Vec::new(), Vec::new(), Vec::new());
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(alternative) => {
                let names = alternative
                    .general_names
                    .iter()
                    .map(|name| alternative_name(py, name))
                    .collect::<PyResult<Vec<_>>>()?;
                decoded.set_item("subjectAltName", PyTuple::new(py, names)?)?;
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                for description in &access.accessdescs {
                    let GeneralName::URI(address) = description.access_location else {
                        continue;
                    };
                    if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP {
                        ocsp.push(address);
                    } else if description.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS {
                        issuers.push(address);
                    }
                }
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in &points.points {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point
                    {
                        revocation_lists.extend(names.iter().filter_map(|name| match name {
                            GeneralName::URI(address) => Some(*address),
                            _ => None,
                        }));
                    }
                }
            }
            _ => {}
        }
    }
    let addresses = [
        ("OCSP", ocsp),
        ("caIssuers", issuers),
        ("crlDistributionPoints", revocation_lists),
    ];
    for (key, addresses) in addresses {
        if !addresses.is_empty() {
            decoded.set_item(key, PyTuple::new(py, addresses)?)?;
        }
    }
    Ok(decoded)
}

/// A name: a tuple of relative names, each a tuple of pairs.
fn name<'py>(py: Python<'py>, name: &X509Name<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let mut parts = Vec::new();
    for relative in name.iter() {
        let mut pairs = Vec::new();
        for attribute in relative.iter() {
            let identifier = attribute.attr_type().to_id_string();
            let kind = attribute_name(&identifier)
                .unwrap_or(&identifier)
                .to_owned();
            let value = attribute.attr_value();
            pairs.push((kind, text(value.tag(), value.data)));
        }
        parts.push(PyTuple::new(py, pairs)?);
    }
    PyTuple::new(py, parts)
}

/// The text of an ASN.1 string, each kind of which has its own characters.
fn text(tag: Tag, bytes: &[u8]) -> String {
    match tag {
        Tag::Utf8String => String::from_utf8_lossy(bytes).into_owned(),
        Tag::BmpString => {
            let units = bytes
                .chunks_exact(2)
                .map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
            char::decode_utf16(units)
                .map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Tag::UniversalString => bytes
            .chunks_exact(4)
            .map(|unit| u32::from_be_bytes([unit[0], unit[1], unit[2], unit[3]]))
            .map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}

/// OpenSSL's long name of an attribute.
fn attribute_name(identifier: &str) -> Option<&'static str> {
    Some(match identifier {
        "2.5.4.3" => "commonName",
        "2.5.4.4" => "surname",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "countryName",
        "2.5.4.7" => "localityName",
        "2.5.4.8" => "stateOrProvinceName",
        "2.5.4.9" => "streetAddress",
        "2.5.4.10" => "organizationName",
        "2.5.4.11" => "organizationalUnitName",
        "2.5.4.12" => "title",
        "2.5.4.13" => "description",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.42" => "givenName",
        "2.5.4.43" => "initials",
        "2.5.4.44" => "generationQualifier",
        "2.5.4.45" => "x500UniqueIdentifier",
        "2.5.4.46" => "dnQualifier",
        "2.5.4.65" => "pseudonym",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "userId",
        "0.9.2342.19200300.100.1.25" => "domainComponent",
        "1.2.643.3.131.1.1" => "INN",
        "1.2.643.100.1" => "OGRN",
        "1.2.643.100.3" => "SNILS",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "1.2.840.113549.1.9.2" => "unstructuredName",
        "1.3.6.1.4.1.311.60.2.1.1" => "jurisdictionLocalityName",
        "1.3.6.1.4.1.311.60.2.1.2" => "jurisdictionStateOrProvinceName",
        "1.3.6.1.4.1.311.60.2.1.3" => "jurisdictionCountryName",
        _ => return None,
    })
}

fn alternative_name<'py>(
    py: Python<'py>,
    alternative: &GeneralName<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let pair = |kind: &str, value: String| Ok((kind, value).into_pyobject(py)?.into_any());
    match alternative {
        GeneralName::DNSName(text) => pair("DNS", (*text).to_owned()),
        GeneralName::RFC822Name(text) => pair("email", (*text).to_owned()),
        GeneralName::URI(text) => pair("URI", (*text).to_owned()),
        GeneralName::IPAddress(bytes) => pair("IP Address", address(bytes)),
        GeneralName::RegisteredID(identifier) => {
            let identifier = identifier.to_id_string();
            let known = attribute_name(&identifier).unwrap_or(&identifier);
            pair("Registered ID", known.to_owned())
        }
        GeneralName::DirectoryName(directory) => Ok(("DirName", name(py, directory)?)
            .into_pyobject(py)?
            .into_any()),
        _ => pair("othername", "<unsupported>".to_owned()),
    }
}

/// An address as OpenSSL prints it: IPv6 in eight groups, none left out.
fn address(bytes: &[u8]) -> String {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return IpAddr::from(bytes).to_string();
    }
    if bytes.len() == 16 {
        let groups = bytes
            .chunks(2)
            .map(|pair| format!("{:X}", u16::from(pair[0]) << 8 | u16::from(pair[1])));
        return groups.collect::<Vec<_>>().join(":");
    }
    "<invalid>".to_owned()
}

fn serial_number(bytes: &[u8]) -> String {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let digits: String = bytes[start..]
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    if digits.is_empty() {
        "00".to_owned()
    } else {
        digits
    }
}

fn time(time: ASN1Time) -> String {
    let moment = time.to_datetime();
    let month = moment.month().to_string();
    format!(
        "{} {:>2} {:02}:{:02}:{:02} {} GMT",
        &month[..3],
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second(),
        moment.year()
    )
}
