console.log('build: placeholder')
