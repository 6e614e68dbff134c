module shiro/step

go 1.24
