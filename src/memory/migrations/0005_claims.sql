-- Which taking up of a turn holds it, by an id that no crash of Postgres can give out twice.
alter table turns add column claim uuid;
