//! From a mapping, an entity and a layout to a plan.

use serde_json::Value as Json;

use super::cell::Kind;
use super::chain;
use super::condition::Names;
use super::derivation::Derivation;
use super::entity::{Entity, Field};
use super::mapping::{self, Mapping};
use super::nearest::did_you_mean;
use super::plan::{At, Extra, FieldPlan, How, Plan};
use super::rules::{Scope, normal_key};
use super::source::{Input, Row};
use super::{MappingError, Org};
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

pub(super) struct Compiler<'a> {
    entity: &'a Entity,
    layout: &'a Layout,
    strict: bool,
    used: Vec<At>,
    /// What rules may know; notes the fields that the one being compiled depends on.
    pub(super) scope: Scope<'a>,
    /// SQL expressions.
    pub(super) expressions: Vec<String>,
    pub(super) errors: Vec<MappingError>,
}

impl<'a> Compiler<'a> {
    fn new(entity: &'a Entity, layout: &'a Layout, org: &'a Org, strict: bool) -> Compiler<'a> {
        Compiler {
            entity,
            layout,
            strict,
            used: Vec::new(),
            scope: Scope::new(org, &entity.fields),
            expressions: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn run(mut self, mapping: &Mapping) -> Result<Plan, Vec<MappingError>> {
        let key = self.used(&mapping.key, "key");
        if let Some((_, kind @ (Kind::Json | Kind::List))) = key {
            let message = format!("\"{}\" is {}, which is no key", mapping.key, kind.name());
            self.errors.push(MappingError::new("key", message));
        }
        let entity = self.entity;
        let when = mapping.when.as_ref().map(|when| when.compile(&mut self));
        if !self.scope.take_needs().is_empty() {
            let hint =
                "Give the single fields a \"when\", or test the columns that they come from.";
            let message = "rows are chosen by columns, before there are canonical fields";
            self.errors.push(MappingError::new("when", message).hint(hint));
        }
        let mut plans: Vec<Option<FieldPlan>> = entity.fields.iter().map(|_| None).collect();
        let mut needs: Vec<Vec<usize>> = vec![Vec::new(); entity.fields.len()];
        let mut wishes = Vec::new();
        for mapped in &mapping.fields {
            match entity.field(&mapped.field) {
                Some((index, field)) => {
                    self.scope.made.set(Some(index));
                    let how = self.how(field, &mapped.made);
                    plans[index] = Some(FieldPlan::new(field, how));
                    needs[index] = self.scope.take_needs();
                    wishes.extend(self.scope.take_wishes().into_iter().map(|at| (index, at)));
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
        for (field, wished) in wishes {
            if !depends(wished, field, &needs, &mut Vec::new()) {
                needs[field].push(wished);
            }
        }
        let order = self.order(&needs);
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        let extras = self.extras();
        let all = self.layout.live().filter(|_| !self.expressions.is_empty());
        let columns = all.map(|(position, column)| At::new(position, column)).collect();
        let expressions = self.expressions.iter().map(|sql| expression(sql, self.layout)).collect();
        let fields = entity.fields.iter().zip(plans);
        Ok(Plan {
            key: key.map(|(at, _)| at),
            key_name: "sfid".into(),
            blank: mapping.blank.iter().map(|text| normal_key(text)).collect(),
            when,
            order,
            fields: fields
                .map(|(field, plan)| {
                    plan.unwrap_or_else(|| FieldPlan::new(field, How::Constant(None)))
                })
                .collect(),
            used: self.used,
            extras,
            expressions,
            columns,
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
    fn used(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
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

    /// Runs a constant once and for all, where its chain depends on nothing else.
    fn how(&mut self, field: &Field, made: &Derivation) -> How {
        let before = self.errors.len();
        let derived = self.derive_field(field, made);
        let constant = matches!(derived.input, Input::Constant(_));
        if !constant || self.errors.len() > before || !self.scope.needs_nothing() {
            return How::Derived(derived);
        }
        let mut text = String::new();
        let made_once =
            derived.made(&Row::of(&[])).and_then(|cell| chain::finish(cell, field.kind, &mut text));
        match made_once {
            Ok(given) if derived.when.is_none() => How::Constant(given.then_some(text)),
            Ok(_) => How::Derived(derived),
            Err(failed) => {
                let rule = failed.rule;
                let message =
                    format!("\"{rule}\" refuses the constant: {}", failed.failure.message);
                self.errors.push(MappingError::new(&made.source_path, message));
                How::Constant(None)
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
        self.used(name, path)
    }

    fn field(&mut self, name: &str, path: &str) -> Option<(usize, Kind)> {
        let Some((at, field)) = self.entity.field(name) else {
            let names = self.entity.fields.iter().map(|field| field.name.as_str());
            let hint = did_you_mean(name, names, || "\"column\" names what the source has.".into());
            let message = format!("the entity \"{}\" has no field \"{name}\"", self.entity.name);
            self.errors.push(MappingError::new(path, message).hint(hint));
            return None;
        };
        let kind = field.kind.kind();
        self.scope.need(at);
        Some((at, kind))
    }

    fn errors(&mut self) -> &mut Vec<MappingError> {
        &mut self.errors
    }
}

/// Whether a field is made of another one, or of what is made of it.
fn depends(field: usize, on: usize, needs: &[Vec<usize>], seen: &mut Vec<usize>) -> bool {
    if seen.contains(&field) {
        return false;
    }
    seen.push(field);
    field == on || needs[field].iter().any(|&needed| depends(needed, on, needs, seen))
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

/// The statement that evaluates an expression over a row, which it takes as a JSON object: so it
/// does not matter how the table has been altered since the row was written.
fn expression(sql: &str, layout: &Layout) -> String {
    let columns: Vec<_> = layout
        .live()
        .map(|(_, column)| format!("\"{}\" {}", column.name.replace('"', "\"\""), column.type_name))
        .collect();
    // The line end ends a comment that the expression may end with.
    format!(
        "SELECT (({sql}\n))::text FROM pg_catalog.jsonb_to_record($1::jsonb) AS source({})",
        columns.join(", ")
    )
}

/// A `json` column may hold what `jsonb` refuses, e.g. `\u0000`.
fn may_not_be_jsonb(column: &Column) -> bool {
    let base = column.element.as_ref().map_or(column.base_oid, |element| element.base_oid);
    base == oid::JSON
}
