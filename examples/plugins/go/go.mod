module deploy-window

go 1.24

require shiro/step v0.0.0

replace shiro/step => ../../../plugins/sdk-go
