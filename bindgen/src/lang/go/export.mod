module wit_component/export_{{namespace_snake}}_{{package_snake}}_api

go 1.27.1

// `golem build` compiles in gen/ and does not use these lines; editors do.
require (
	go.bytecodealliance.org/pkg v0.4.0
	wit_component v0.0.0
)

replace go.bytecodealliance.org/pkg => ../gen/pkg

replace wit_component => ../gen
