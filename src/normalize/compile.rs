//! From a mapping, an entity and a layout to a plan.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::cell::{Cell, Kind};
use super::chain::Chain;
use super::condition::Names;
use super::entity::{Entity, Field};
use super::field_type::FieldType;
use super::mapping::{self, FieldMapping, Mapping, Source};
use super::nearest::did_you_mean;
use super::plan::{At, Extra, FieldPlan, How, Plan};
use super::source::{Input, Piece};
use super::template::Part;
use super::{MappingError, Org, decimal};
use crate::row::layout::{Column, Layout};
use crate::row::{json, oid};

/// Columns that are Salesforce's or Heroku Connect's bookkeeping, not the client's business.
const NOT_BUSINESS: &[&str] = &["id", "sfid", "createddate", "systemmodstamp", "isdeleted"];
const NOT_BUSINESS_PREFIX: &str = "_hc_";

/// Compiles a mapping strictly: every column that it names has to exist. All that is wrong is
/// reported, not only the first.
pub fn compile(
    mapping: &Mapping,
    entity: &Entity,
    layout: &Layout,
    org: &Org,
) -> Result<Plan, Vec<MappingError>> {
    Compiler::new(entity, layout, org, true).run(mapping)
}

/// Compiles a mapping for a later layout of its source: a column that has gone since is NULL.
pub fn compile_lenient(
    mapping: &Mapping,
    entity: &Entity,
    layout: &Layout,
    org: &Org,
) -> Result<Plan, Vec<MappingError>> {
    Compiler::new(entity, layout, org, false).run(mapping)
}

/// Reads a mapping and compiles it strictly, and reports the errors of both steps together.
pub fn compile_json(
    json: &Json,
    entity: &Entity,
    layout: &Layout,
    org: &Org,
) -> Result<Plan, Vec<MappingError>> {
    let (mapping, mut errors) = mapping::read(json);
    if json.is_object() {
        match compile(&mapping, entity, layout, org) {
            Ok(plan) if errors.is_empty() => return Ok(plan),
            Ok(_) => {}
            Err(more) => errors.extend(more),
        }
    }
    Err(errors)
}

struct Compiler<'a> {
    entity: &'a Entity,
    layout: &'a Layout,
    /// For the rules on phone numbers and local times.
    _org: &'a Org,
    strict: bool,
    used: Vec<At>,
    /// The fields that the one being compiled depends on.
    needs: Vec<usize>,
    errors: Vec<MappingError>,
}

impl<'a> Compiler<'a> {
    fn new(entity: &'a Entity, layout: &'a Layout, org: &'a Org, strict: bool) -> Compiler<'a> {
        Compiler {
            entity,
            layout,
            _org: org,
            strict,
            used: Vec::new(),
            needs: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn run(mut self, mapping: &Mapping) -> Result<Plan, Vec<MappingError>> {
        let key = self.column(&mapping.key, "key");
        if let Some((_, kind @ (Kind::Json | Kind::List))) = key {
            let message = format!("\"{}\" is {}, which is no key", mapping.key, kind.name());
            self.errors.push(MappingError::new("key", message));
        }
        let entity = self.entity;
        let when = mapping.when.as_ref().map(|when| when.compile(&mut self));
        if !self.needs.is_empty() {
            let hint =
                "Give the single fields a \"when\", or test the columns that they come from.";
            let message = "rows are chosen by columns, before there are canonical fields";
            self.errors.push(MappingError::new("when", message).hint(hint));
        }
        let mut plans: Vec<Option<FieldPlan>> = entity.fields.iter().map(|_| None).collect();
        let mut needs: Vec<Vec<usize>> = vec![Vec::new(); entity.fields.len()];
        for mapped in &mapping.fields {
            match entity.field(&mapped.field) {
                Some((index, field)) => {
                    self.needs.clear();
                    let how = self.how(field, mapped).unwrap_or(How::Constant(None));
                    let when = mapped.when.as_ref().map(|when| when.compile(&mut self));
                    plans[index] = Some(FieldPlan::new(field, when, how));
                    needs[index] = std::mem::take(&mut self.needs);
                }
                None => self.unknown_field(&mapped.field),
            }
        }
        for (field, plan) in entity.fields.iter().zip(&plans) {
            if field.required && plan.is_none() {
                let message = format!("the required field \"{}\" is not mapped", field.name);
                self.errors.push(MappingError::new("fields", message));
            }
        }
        let order = self.order(&needs);
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let extras = self.extras();
        let fields = entity.fields.iter().zip(plans);
        Ok(Plan {
            key: key.map(|(at, _)| at),
            key_name: "sfid".into(),
            when,
            order,
            fields: fields
                .map(|(field, plan)| {
                    plan.unwrap_or_else(|| FieldPlan::new(field, None, How::Constant(None)))
                })
                .collect(),
            used: self.used,
            extras,
        })
    }

    /// The fields in an order in which each comes after those that it needs; a cycle is an error.
    fn order(&mut self, needs: &[Vec<usize>]) -> Vec<usize> {
        let mut order = Vec::with_capacity(needs.len());
        let mut path = Vec::new();
        for field in 0..needs.len() {
            if let Err(cycle) = place(field, needs, &mut path, &mut order) {
                let name = |&at: &usize| self.entity.fields[at].name.as_str();
                let names: Vec<_> = cycle.iter().map(name).collect();
                let message = format!("fields depend on each other: {}", names.join(" → "));
                let error = MappingError::new(format!("fields.{}", names[0]), message);
                self.errors.push(error.hint("Take one of them from columns alone."));
                break;
            }
        }
        order
    }

    fn unknown_field(&mut self, name: &str) {
        let names = self.entity.fields.iter().map(|field| field.name.as_str());
        let hint =
            did_you_mean(name, names, || "A column that is not mapped is kept in extras.".into());
        let message = format!("the entity \"{}\" has no field \"{name}\"", self.entity.name);
        let path = format!("fields.{name}");
        self.errors.push(MappingError::new(path, message).hint(hint));
    }

    /// Notes that a column is used, and returns its place among the used ones with its kind.
    /// `None` where the source has none: an error if strict.
    fn column(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        let Some((position, column)) = self.layout.column(name) else {
            if self.strict {
                let names = self.layout.live().map(|(_, column)| column.name.as_str());
                let hint = did_you_mean(name, names, || {
                    "Heroku Connect writes column names in lower case.".into()
                });
                let message = format!("the source has no column \"{name}\"");
                self.errors.push(MappingError::new(path, message).hint(hint));
            }
            return None;
        };
        let kind = Kind::of_column(column);
        let known = self.used.iter().position(|used| used.position == position);
        let at = known.unwrap_or_else(|| {
            self.used.push(At::new(position, column));
            self.used.len() - 1
        });
        Some((at, kind))
    }

    /// `None`: the field stays NULL; if strict, there is an error.
    fn how(&mut self, field: &Field, mapped: &FieldMapping) -> Option<How> {
        let path = &mapped.source_path;
        let source = match &mapped.source {
            Source::Constant(json) => return self.constant(field, mapped, json),
            Source::Column(name) => {
                self.column(name, path).map(|(at, kind)| (Input::Column(at), kind))
            }
            Source::FirstOf(names) => self.first_of(names, path),
            Source::Template(parts) => self.template(parts, path),
        };
        // The rules are checked even where the source is wrong, so that one attempt shows all.
        let chain = self.chain(field, mapped, source.as_ref().map(|(_, kind)| *kind));
        let (input, _) = source?;
        Some(How::Chain(input, chain?))
    }

    fn first_of(&mut self, names: &[String], path: &str) -> Option<(Input, Kind)> {
        let mut columns = Vec::new();
        let mut kinds = Vec::new();
        for (index, name) in names.iter().enumerate() {
            if let Some((at, kind)) = self.column(name, &format!("{path}[{index}]")) {
                columns.push(at);
                kinds.push(kind);
            }
        }
        let first = *kinds.first()?;
        let as_text = kinds.iter().any(|kind| *kind != first);
        Some((Input::FirstOf { columns, as_text }, if as_text { Kind::Text } else { first }))
    }

    fn template(&mut self, parts: &[Part], path: &str) -> Option<(Input, Kind)> {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.clone())),
                Part::Column(name) => {
                    pieces.extend(self.column(name, path).map(|(at, _)| Piece::Column(at)));
                }
            }
        }
        Some((Input::Template(pieces), Kind::Text))
    }

    /// The mapping's chain for the field, else the field's own. `None` comes with an error.
    fn chain(&mut self, field: &Field, mapped: &FieldMapping, kind: Option<Kind>) -> Option<Chain> {
        let compiled = match &mapped.rules {
            Some(rules) => {
                Chain::compile(rules, kind, field.kind, &format!("fields.{}.rules", field.name))
            }
            None => Chain::compile(&field.rules, kind, field.kind, "").map_err(|errors| {
                let hint = "Give the field \"rules\" of its own, or map another column.";
                errors
                    .into_iter()
                    .map(|error| {
                        let message = format!("by the field's default rules: {}", error.message);
                        MappingError::new(&mapped.source_path, message).hint(hint)
                    })
                    .collect()
            }),
        };
        compiled.map_err(|errors| self.errors.extend(errors)).ok()
    }

    /// Runs the chain once and for all. `None` comes with an error.
    fn constant(&mut self, field: &Field, mapped: &FieldMapping, json: &Json) -> Option<How> {
        let (cell, kind) = constant_cell(json, field.kind);
        let chain = self.chain(field, mapped, Some(kind))?;
        let mut text = String::new();
        match chain.run(cell, &mut text) {
            Ok(given) => Some(How::Constant(given.then_some(text))),
            Err((rule, failure)) => {
                let message = format!("\"{rule}\" refuses the constant: {}", failure.message);
                self.errors.push(MappingError::new(&mapped.source_path, message));
                None
            }
        }
    }

    /// The business columns that nothing uses, in the order of their names.
    fn extras(&self) -> Vec<Extra> {
        let mut extras: Vec<_> = self
            .layout
            .live()
            .filter(|(position, column)| {
                !NOT_BUSINESS.contains(&column.name.as_str())
                    && !column.name.starts_with(NOT_BUSINESS_PREFIX)
                    && self.used.iter().all(|used| used.position != *position)
            })
            .map(|(position, column)| {
                let mut member = String::new();
                json::string(&mut member, &column.name);
                member.push(':');
                Extra { at: At::new(position, column), member, doubtful: may_not_be_jsonb(column) }
            })
            .collect();
        extras.sort_by(|a, b| a.at.name().cmp(b.at.name()));
        extras
    }
}

impl Names for Compiler<'_> {
    fn column(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        Compiler::column(self, name, path)
    }

    fn field(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        let Some((at, field)) = self.entity.field(name) else {
            let names = self.entity.fields.iter().map(|field| field.name.as_str());
            let hint = did_you_mean(name, names, || "\"column\" names what the source has.".into());
            let message = format!("the entity \"{}\" has no field \"{name}\"", self.entity.name);
            self.errors.push(MappingError::new(path, message).hint(hint));
            return None;
        };
        self.needs.push(at);
        Some((at, field.kind.kind()))
    }

    fn errors(&mut self) -> &mut Vec<MappingError> {
        &mut self.errors
    }
}

/// Puts a field into the order, behind those that it needs. `path` leads to it.
///
/// # Errors
/// The cycle, its first field at both ends.
fn place(
    field: usize,
    needs: &[Vec<usize>],
    path: &mut Vec<usize>,
    order: &mut Vec<usize>,
) -> Result<(), Vec<usize>> {
    if order.contains(&field) {
        return Ok(());
    }
    if let Some(start) = path.iter().position(|&other| other == field) {
        let mut cycle = path[start..].to_vec();
        cycle.push(field);
        return Err(cycle);
    }
    path.push(field);
    for &needed in &needs[field] {
        place(needed, needs, path, order)?;
    }
    path.pop();
    order.push(field);
    Ok(())
}

/// A `json` column may hold what `jsonb` refuses, e.g. `\u0000`.
fn may_not_be_jsonb(column: &Column) -> bool {
    let base = column.element.as_ref().map_or(column.base_oid, |element| element.base_oid);
    base == oid::JSON
}

fn constant_cell(json: &Json, target: FieldType) -> (Cell<'static>, Kind) {
    let text = |text: String| Cow::Owned(text);
    match json {
        Json::String(value) => (Cell::Text(text(value.clone())), Kind::Text),
        Json::Bool(value) => (Cell::Boolean(*value), Kind::Boolean),
        Json::Number(number) => {
            let number = decimal::from_json(number).unwrap_or_else(|| number.to_string());
            (Cell::Number(text(number)), Kind::Number)
        }
        Json::Array(items) if target == FieldType::TextArray => {
            let item = |item: &Json| match item {
                Json::String(item) => text(item.clone()),
                other => text(other.to_string()),
            };
            (Cell::List(items.iter().map(item).collect()), Kind::List)
        }
        Json::Null => (Cell::Null, Kind::Text),
        Json::Array(_) | Json::Object(_) => (Cell::Json(text(json.to_string())), Kind::Json),
    }
}
