module github.com/kubectl-lab/kubectl-lab

go 1.26.0
